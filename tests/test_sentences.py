"""sentences.py: the list of the package's sentences has every way in which they are said."""

from __future__ import annotations

import sentences


def test_every_way_of_saying_something_is_in_the_list():
    found = {f"{file.rpartition('/')[2]}: {sentence}" for file, _, sentence in sentences.sentences()}
    for start in (
        "images.py: images: wanted images of one size, found ",  # raised
        "images.py: warning: images: uint8 pixels are counted",
        "assign.py: {extra[0]}: wanted only ",  # refused
        "axes.py: {source}: wanted to know in which order ",  # asked
        "answers.py: {keyword}: wanted ",  # an argument of the caller's
        "sniff.py: found a web page; download the file itself",  # out of a table
        "onnx.py: wanted a valid ONNX graph",  # around whatever damage raises
        "network.cpp: layers: wanted at least one, found none",
    ):
        assert any(sentence.startswith(start) for sentence in found), start


def test_a_name_is_shown_as_what_it_stands_for():
    (found,) = (s for file, _, s in sentences.sentences() if file.endswith("saving.py") and "a name that ends" in s)
    assert "found ({shown(path.suffix)} | no ending) in " in found
