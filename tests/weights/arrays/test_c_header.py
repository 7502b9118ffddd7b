"""weights/arrays/c_header.py: arrays of floats in C are what a compiler makes of them, or refused."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import foreign_arrays
import lenet_fast
import numpy as np
import pytest
from lenet_fast.weights import sniff
from lenet_fast.weights.arrays import c_header
from lenet_fast.weights.files import File
from lenet_fast.weights.signatures import is_c_header
from lenet_fast.weights.source import UNKNOWN


def read(tmp_path, text):
    path = tmp_path / "weights.h"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return c_header.read(File.open(path)).tensors


def lists(tmp_path, text):
    return {name: array.tolist() for name, array in read(tmp_path, text).items()}


def braces(array):
    inner = map(braces, array) if array.ndim > 1 else (f"{value!r}f" for value in array.tolist())
    return "{" + ", ".join(inner) + "}"


def header(tensors):
    """As a script writes a state dict."""
    lines = ["#ifndef LENET_H", "#define LENET_H", "#include <stdint.h>", "/* LeNet-5,\n trained */"]
    for name, array in tensors.items():
        axes = "".join(f"[{size}]" for size in array.shape)
        lines.append(f"static const float {name.replace('.', '_')}{axes} = {braces(array)};  // {array.shape}")
    return "\n".join([*lines, "#endif  // LENET_H", ""])


def test_a_network_written_by_a_script_computes_like_its_trainer(tmp_path):
    text = header(foreign_arrays.lenet())
    (tmp_path / "lenet.h").write_text(text)
    assert is_c_header(text.encode())
    source = sniff.read(tmp_path / "lenet.h")
    wanted = {name.replace(".", "_"): array.astype(np.float64) for name, array in foreign_arrays.lenet().items()}
    foreign_arrays.same_arrays(source.tensors, wanted)
    assert (source.format, source.layout) == ("C", UNKNOWN)
    foreign_arrays.computes_like_torch(source, flatten="CHW")


STRANGE = """
#pragma once
#define MAPS 2   /* of C1 */
#define SIDE (3)
#define AREA (SIDE * SIDE)
#define real_t float
#define TEXT "// no remark { ; float y[1] = {9};"
#ifdef __cplusplus
extern "C" {
#endif
typedef double wide;
enum { A = 1, B };
struct layer { float w[2]; int n; };
static const float lr = 0.1f, scale = 2.0;
const int N = 5, M = 6;
static const unsigned TWO = (1 * 2);
const char *names[] = {"a", "b}"};
char word[2][3] = {"{", "}"};
float out[MAPS][AREA];
extern const wide b[3];
void forward(const float x[9], float *y);
float* tables[1] = {lr}, f[1] = {3};
const real_t a[MAPS][SIDE] = {{1, 2, 3}, /* { */ {-4.5f, 0x10, 1e-1}}; // };
const wide b[3] PROGMEM = {1, \\
2, 3};
__attribute__((aligned(16))) static const float c[AREA * 1] __attribute__((section(".x"))) = {1,2,3,4,5,6,7,8,9},
  d[] = {7};
__attribute__((aligned(4 * 4))) const float g[TWO] = {5, 6};
const char *const more[] = {"a"};
const float e[2] {8, 9};
float buffer[AREA] = {0};
static float sum(const float *x, int n) { float t[2] = {0}; for (int i = 0; i < n; ++i) { t[0] += x[i]; } return t[0]; }
#ifdef __cplusplus
}
#endif
"""


def test_arrays_among_all_that_a_text_of_c_has(tmp_path):
    nine = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert lists(tmp_path, STRANGE) == {
        "a": [[1, 2, 3], [-4.5, 16, 0.1]],
        "b": [1, 2, 3],
        "c": nine,
        "d": [7],
        "f": [3],
        "g": [5, 6],
        "e": [8, 9],
    }
    assert lists(tmp_path, STRANGE.replace("\n", "\r\n")) == lists(tmp_path, STRANGE)
    assert lists(tmp_path, "\ufeff// 权重\nconst float a[1] = {2};") == {"a": [2]}


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no compiler here (Debian: apt-get install gcc)")
def test_a_compiler_reads_the_same(tmp_path):
    plain = (
        STRANGE.replace("PROGMEM", "")
        .replace("static const unsigned TWO = (1 * 2);", "#define TWO 2")
        .replace("const float e[2] {8", "const float e[2] = {8")
        .replace("{lr}", "{0}")
    )
    source = plain.replace("static const float c", "const float c")
    (tmp_path / "weights.c").write_text(source)
    command = ["cc", "-w", "-shared", "-fPIC", "-o", tmp_path / "weights.so", tmp_path / "weights.c"]
    subprocess.run(command, check=True, capture_output=True)
    library = ctypes.CDLL(str(tmp_path / "weights.so"))
    for name, array in read(tmp_path, source).items():
        kind = ctypes.c_double if name == "b" else ctypes.c_float
        compiled = np.ctypeslib.as_array((kind * array.size).in_dll(library, name)).reshape(array.shape)
        assert (compiled == array.astype(compiled.dtype)).all(), name


FLOAT = "const float a[1] = {1};\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("const int8_t a[2] = {1, -2};\nconst float s[1] = {0.1};", "a: wanted an array of float or double, found const int8_t"),
        (FLOAT + "static const int b[1] = {2};", "whole numbers are quantised, and no array says by what scale"),
        (FLOAT + "typedef short w_t;\nw_t b[1] = {2};", "b: wanted an array of float or double, found w_t; whole numbers"),
        (FLOAT + "#define float int\nfloat b[1] = {2};", "whole numbers are quantised"),
        ("unsigned char model[] = {0x1c, 0x00, 0x00, 0x00, 0x54};", "found bytes (unsigned char); if they are a file"),
        ("half a[2] = {1, 2};", "a: wanted an array of float or double, found half"),
        ("ap_fixed<16, 8> a[2] = {1, 2};", "a: wanted an array of float or double, found"),
        (FLOAT + "std::array<float, 2> b = {1, 2};", "wanted an array of float or double"),
        (FLOAT + "struct layer b = {.w = {1}};", "b: wanted an array of float or double, found struct layer"),
        (FLOAT + "const float b[1] = B_VALUES;", "b: wanted values in braces, found 'B_VALUES'"),
        (FLOAT + "alignas(2 * 8) const float b[1] = B_VALUES;", "b: wanted values in braces, found 'B_VALUES'"),
        (FLOAT + "float x = 1, b[1] = {2};", "a statement for each array"),
        (FLOAT + "extern const float b[1];", "b: wanted its values, found a declaration alone"),
        (FLOAT + "void f() { static const float b[2] = {1, 2}; }", "arrays at the top of the file, found one inside"),
        (FLOAT + '#include "bias.h"\n', "wanted one file, found #include \"bias.h\"; pass what the compiler sees"),
        (FLOAT + "#if 0\nconst float b[1] = {2};\n#endif", "b: wanted one array of each name, whatever the compiler is told"),
        (FLOAT + "#ifndef B\n#define B\n#else\nconst float b[1] = {2};\n#endif", "found one under a condition"),
        (FLOAT + FLOAT, "a: wanted one array of each name"),
        ("const float a[N] = {1};", "wanted sizes that are numbers, or that #define says before, found 'N'"),
        ("#define N 1\n#define N 2\nconst float a[N] = {1, 2};", "found 'N'"),
        ("#ifdef X\n#define N 1\n#else\n#define N 2\n#endif\nconst float a[N] = {1, 2};", "found 'N'"),
        ("#define N 2\n#undef N\nconst float a[N] = {1, 2};", "found 'N'"),
        ("#define N(x) 2\nconst float a[N] = {1, 2};", "found 'N'"),
        ("const float a[2 + 1] = {1, 2, 3};", "found '2 + 1'"),
        ("const int N = 1, M = 2;\nconst float a[N] = {1};", "found 'N'"),
        ("extern int N;\nconst float a[N] = {1};", "found 'N'"),
        ("extern const float a[2];", "a: wanted its values, found a declaration alone"),
        ("const float a[0] = {1};", "found '0'"),
        ("const float a[2][3 = {1, 2};", "found '[ 3'"),
        ("const float a[2[3]] = {1, 2};", "found '[ 2'"),
        ("const float a[010] = {1, 2, 3, 4, 5, 6, 7, 8};", "found '010'"),
        ("const float a[3] = {1, 2};", "a: wanted 3 values for the shape (3,), found 2"),
        ("const float a[2] = {[1] = 1, [0] = 2};", "a: wanted numbers between commas, found '[1] = 1'"),
        ("const float a[2] = {\n#include <a.inc>\n};", "a: wanted numbers between commas"),
        ("const float a[2] = {1, 2", "a brace that does not close"),
        (FLOAT + "/* not closed\nconst float b[1] = {2};\n", "a remark that does not close"),
        (FLOAT + "/*/", "a remark that does not close"),
        ("#ifndef H\n#define H\n" + FLOAT, "one whose braces or conditions do not close"),
        ('extern "C" {\n' + FLOAT, "one whose braces or conditions do not close"),
        (FLOAT + "}", "one whose braces or conditions do not close"),
        (FLOAT + "void f() { if (1) {", "a brace that does not close"),
        (FLOAT + "x " * 2000, "one of more than 1,000 words"),
        ("int main() { int a[2] = {1, 2}; return a[0]; }", "a model, found text, a program perhaps; run it"),
    ],
)  # fmt: skip
def test_what_only_a_compiler_can_follow_is_refused(tmp_path, text, found):
    """Whatever could be a tensor that is missing, another one, or in other numbers."""
    assert found in foreign_arrays.refused(c_header.read, tmp_path / "m.h", text.encode())


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no compiler here (Debian: apt-get install gcc)")
def test_what_the_compiler_sees_is_read(tmp_path):
    """The way out that sentences name, with what the system's headers bring."""
    (tmp_path / "b.inc").write_text("3, 4")
    (tmp_path / "sizes.h").write_text("#if 1\n#define N 2\n#else\n#define N 3\n#endif\n")
    text = '#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include "sizes.h"\n'
    text += 'const float a[N] = {1, 2};\nconst float b[N] = {\n#include "b.inc"\n};\n'
    (tmp_path / "weights.h").write_text(text)
    done = subprocess.run(["cc", "-E", "-P", tmp_path / "weights.h"], check=True, capture_output=True)
    assert is_c_header(done.stdout)
    assert lists(tmp_path, done.stdout) == {"a": [1, 2], "b": [3, 4]}


def test_sizes_that_double_stay_small(tmp_path):
    lines = "#define N0 2\n" + "".join(f"#define N{n + 1} N{n} * N{n}\n" for n in range(300))
    found = foreign_arrays.refused(c_header.read, tmp_path / "m.h", (lines + "const float a[N300] = {1, 2};").encode())
    assert "found 'N300'" in found


@pytest.mark.parametrize(
    "data",
    [
        b"#include <stdio.h>\nint main() { return 0; }\n",
        b"import numpy\nx = {1: 2}\n",
        b"float x[2];\n",
        b'const char *names[] = {"a"};\n',
        b"float x[2] = {a, b};\n",
        b"\0const float a[1] = {1};\n",
        b"a word\n",
    ],
)
def test_what_is_no_header_of_arrays(data):
    assert not is_c_header(data)


def test_a_program_without_arrays_is_still_called_one(tmp_path):
    (tmp_path / "main.c").write_text("#include <stdio.h>\nint main() { return 0; }\n")
    with pytest.raises(lenet_fast.WeightsError, match="found text, a program perhaps; run it and save"):
        lenet_fast.load(tmp_path / "main.c")


def test_damage(tmp_path):
    path = tmp_path / "m.h"
    path.write_text(header({name: array for name, array in foreign_arrays.lenet().items() if array.size < 100}))
    foreign_arrays.survives_damage(c_header.read, path, cut_may_be_whole=True)
    data = path.read_bytes()
    for end in range(0, data.rindex(b"#endif"), 11):
        foreign_arrays.refused(c_header.read, path, data[:end])
