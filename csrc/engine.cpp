#include "engine.hpp"

#include <algorithm>
#include <cmath>

#include "threads.hpp"

namespace lenet_fast {
namespace {

// Fewer blocks than this for each thread, and waking it costs more than it helps.
constexpr std::int64_t kBlocksPerThread = 2;

// One per thread, kept for the next call.
float* workspace(std::size_t size) {
  thread_local AlignedBuffer buffer;
  if (buffer.size() < size) buffer = AlignedBuffer(size);
  return buffer.data();
}

// One thread's part of a run: blocks of images through the plan, in a workspace of its own.
class Worker {
 public:
  Worker(const Plan& plan, const ImageView& images, const Outputs& outputs)
      : plan_(plan), images_(images), outputs_(outputs), memory_(workspace(plan.workspace_size())) {
    lay_borders();
  }

  void block(std::int64_t index) {
    first_ = index * plan_.block_images();
    count_ = static_cast<int>(std::min<std::int64_t>(plan_.block_images(), images_.images - first_));
    vectors_ = (count_ + lanes() - 1) / lanes();
    for (int v = 0; v < vectors_; ++v) {
      load(v);
      for (const Plan::MapStep& step : plan_.map_steps())
        std::visit([&](const auto& kernel) { compute_maps(kernel, step, v); }, step.kernel);
    }
    for (const Plan::BlockStep& step : plan_.block_steps())
      std::visit([&](const auto& kernel) { compute_block(kernel, step); }, step.kernel);
    deliver();
  }

 private:
  int lanes() const { return plan_.table().lanes; }

  float* data(const Buffer& buffer, int vector) const {
    return memory_ + (buffer.offset * kBlockVectors + buffer.size * static_cast<std::size_t>(vector)) *
                         static_cast<std::size_t>(lanes());
  }
  float* data(std::size_t buffer, int vector) const { return data(plan_.buffers()[buffer], vector); }

  // Zeros around the maps that a convolution pads, and background around an image that does not fill the input: laid
  // once, because steps write only inside them.
  void lay_borders() const {
    for (const Buffer& buffer : plan_.buffers())
      if (buffer.padding > 0)
        std::fill_n(data(buffer, 0), buffer.size * kBlockVectors * static_cast<std::size_t>(lanes()), 0.0f);
    const Buffer& input = plan_.buffers().front();
    if (images_.height == input.shape.height) return;
    for (int c = 0; c < input.shape.maps; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      const float background =
          std::fma(plan_.scaling().background, plan_.scaling().scale[channel], plan_.scaling().shift[channel]);
      for (int v = 0; v < kBlockVectors; ++v)
        for (int y = 0; y < input.shape.height; ++y)
          std::fill_n(data(input, v) + input.at(c, y, 0) * lanes(), input.shape.width * lanes(), background);
    }
  }

  void load(int v) const {
    const Buffer& input = plan_.buffers().front();
    const int top = (input.shape.height - images_.height) / 2, left = (input.shape.width - images_.width) / 2;
    plan_.table().load_pixels(
        {.data = images_.image(first_ + v * lanes()),
         .type = images_.type,
         .image_stride = images_.image_stride,
         .channel_stride = images_.channel_stride,
         .row_stride = images_.row_stride,
         .column_stride = images_.column_stride,
         .images = std::min(lanes(), count_ - v * lanes()),
         .channels = images_.channels,
         .height = images_.height,
         .width = images_.width,
         .scale = plan_.scaling().scale.data(),
         .shift = plan_.scaling().shift.data(),
         .output = {data(input, v) + input.at(0, top, left) * lanes(), input.map() * lanes(), input.row() * lanes()}});
  }

  // Input maps are read from their border on, output maps are written inside theirs.
  template <class Kernel>
  Kernel placed(Kernel kernel, const Plan::MapStep& step, int v) const {
    kernel.input.data = data(step.input, v);
    kernel.output.data = data(step.output, v) + plan_.buffers()[step.output].at(0, 0, 0) * lanes();
    return kernel;
  }

  void compute_maps(const kernels::Conv5x5& conv, const Plan::MapStep& step, int v) const {
    kernels::Conv5x5 kernel = placed(conv, step, v);
    kernel.rows = memory_ + plan_.rows_offset();
    plan_.table().conv5x5(kernel);
  }

  void compute_maps(const kernels::Subsample& subsample, const Plan::MapStep& step, int v) const {
    plan_.table().subsample2x2(placed(subsample, step, v));
  }

  template <class Kernel>
  void compute_block(Kernel kernel, const Plan::BlockStep& step) const {
    kernel.input = data(step.input, 0);
    kernel.output = data(step.output, 0);
    kernel.vectors = vectors_;
    if constexpr (std::is_same_v<Kernel, kernels::Dense>)
      plan_.table().dense(kernel);
    else
      plan_.table().rbf(kernel);
  }

  void deliver() const {
    for (const Tap& tap : outputs_.taps) copy_rows(plan_.buffer_of(tap.layer), tap.data);
    if (!outputs_.labels && !outputs_.probabilities) return;
    const Buffer& scores = plan_.buffer_of(plan_.network().layers().size() - 1);
    if (outputs_.labels)
      for (int i = 0; i < count_; ++i) outputs_.labels[first_ + i] = label(scores, i);
    if (outputs_.probabilities) {
      softmax(scores);
      copy_rows(scores, outputs_.probabilities);
    }
  }

  // Value k of image i of the block, where the maps have no border.
  const float* values(const Buffer& buffer, int i) const { return data(buffer, i / lanes()) + i % lanes(); }

  void copy_rows(const Buffer& buffer, float* out) const {
    const Shape& shape = buffer.shape;
    for (int i = 0; i < count_; ++i) {
      const float* const from = values(buffer, i);
      float* to = out + (first_ + i) * shape.size();
      for (int map = 0; map < shape.maps; ++map)
        for (int y = 0; y < shape.height; ++y)
          for (int x = 0; x < shape.width; ++x) *to++ = from[buffer.at(map, y, x) * lanes()];
    }
  }

  std::int64_t label(const Buffer& scores, int i) const {
    const float* const score = values(scores, i);
    const bool smallest = plan_.network().head() == Head::rbf;
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < scores.shape.size(); ++k) {
      const float here = score[k * lanes()], there = score[best * lanes()];
      if (smallest ? here < there : here > there) best = k;
    }
    return best;
  }

  // In place: whoever wanted the scores themselves has them by now.
  void softmax(const Buffer& scores) const {
    const float factor = plan_.network().head() == Head::rbf ? -1.0f : 1.0f;
    for (int v = 0; v < vectors_; ++v)
      plan_.table().softmax({.scores = data(scores, v),
                             .probabilities = data(scores, v),
                             .classes = static_cast<int>(scores.shape.size()),
                             .factor = factor,
                             .has_rubbish = outputs_.has_rubbish,
                             .rubbish = outputs_.rubbish * factor});
  }

  const Plan& plan_;
  const ImageView& images_;
  const Outputs& outputs_;
  float* const memory_;
  std::int64_t first_ = 0;  // the block's images: [first_, first_ + count_)
  int count_ = 0, vectors_ = 0;
};

}  // namespace

void run(const Plan& plan, const ImageView& images, const Outputs& outputs, int threads) {
  if (images.images == 0) return;
  const std::int64_t blocks = (images.images + plan.block_images() - 1) / plan.block_images();
  const auto useful = static_cast<int>(std::clamp<std::int64_t>(blocks / kBlocksPerThread, 1, threads));
  threads::Counter counter(blocks);
  threads::run(useful, [&] {
    Worker worker(plan, images, outputs);
    for (std::int64_t block; counter.take(block);) worker.block(block);
  });
}

}  // namespace lenet_fast
