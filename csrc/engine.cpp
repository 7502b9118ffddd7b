#include "engine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "threads.hpp"
#include "workspace.hpp"

namespace lenet_fast {
namespace {

// Connections that a thread must have to compute if it is to be woken: some 80 microseconds, which is what waking a
// sleeping one and being woken by it take on a virtual machine.
constexpr std::int64_t kWorthWaking = 4'000'000;

// One thread's part of a run: blocks of images through the plan, in memory of its own.
class Worker {
 public:
  Worker(const Plan& plan, const ImageView& images, const Outputs& outputs, int block_images, float* memory)
      : plan_(plan), images_(images), outputs_(outputs), memory_(memory), block_images_(block_images) {
    const auto is_dense = [&](const Tap& tap) { return plan.network().is_dense_from(tap.layer); };
    can_be_single_ = plan.single() && std::all_of(outputs.taps.begin(), outputs.taps.end(), is_dense);
  }

  // Whole vectors of images in the lanes; what is left over one by one, if that is faster and possible.
  void block(std::int64_t index) {
    first_ = index * block_images_;
    count_ = static_cast<int>(std::min<std::int64_t>(block_images_, images_.images - first_));
    const int rest = count_ % lanes();
    const int singles = can_be_single_ && rest <= plan_.table().single_at_most ? rest : 0;
    int done = count_ - singles;
    if (done > 0) vectors((done + lanes() - 1) / lanes());
    while (done < count_ && single(done)) ++done;
    if (done < count_) vectors((count_ + lanes() - 1) / lanes());
    deliver();
  }

 private:
  int lanes() const { return plan_.table().lanes; }

  float* data(const Buffer& buffer, int vector) const {
    return memory_ + (buffer.offset * kBlockVectors + buffer.size * static_cast<std::size_t>(vector)) *
                         static_cast<std::size_t>(lanes());
  }
  float* data(std::size_t buffer, int vector) const { return data(plan_.buffers()[buffer], vector); }

  // Value 0 of image i of the block, where the maps have no border.
  float* values(const Buffer& buffer, int i) const { return data(buffer, i / lanes()) + i % lanes(); }

  // ---- Lanes are images ----

  void vectors(int count) {
    if (!borders_laid_) lay_borders();
    borders_laid_ = true;
    for (int v = 0; v < count; ++v) {
      load(v);
      for (const Plan::MapStep& step : plan_.map_steps())
        std::visit([&](const auto& kernel) { compute_maps(kernel, step, v); }, step.kernel);
    }
    for (const Plan::BlockStep& step : plan_.block_steps())
      std::visit([&](const auto& kernel) { compute_block(kernel, step, count); }, step.kernel);
  }

  // Zeros around the maps that a convolution pads, and background around an image that does not fill the input: laid
  // once, because steps write only inside them.
  void lay_borders() const {
    const auto block = static_cast<std::size_t>(kBlockVectors * lanes());
    for (const Buffer& buffer : plan_.buffers())
      if (buffer.padding > 0) std::fill_n(data(buffer, 0), buffer.size * block, 0.0f);
    const Buffer& input = plan_.buffers().front();
    for (int v = 0; v < kBlockVectors; ++v)
      lay_background(data(input, v) + input.at(0, 0, 0) * lanes(), input.map() * lanes(), input.row() * lanes(),
                     lanes());
  }

  void lay_background(float* maps, std::ptrdiff_t map_stride, std::ptrdiff_t row_stride, int per_column) const {
    const Shape& input = plan_.network().input();
    if (images_.height == input.height) return;
    for (int c = 0; c < input.maps; ++c)
      for (int y = 0; y < input.height; ++y)
        std::fill_n(maps + c * map_stride + y * row_stride, input.width * per_column, background(c));
  }

  float background(int c) const {
    const Scaling& scaling = plan_.scaling();
    const auto channel = static_cast<std::size_t>(c);
    return std::fma(scaling.background, scaling.scale[channel], scaling.shift[channel]);
  }

  // How far an image that is smaller than the input lies inside it.
  int top() const { return (plan_.network().input().height - images_.height) / 2; }
  int left() const { return (plan_.network().input().width - images_.width) / 2; }

  // `count` images of the block from `i` on, for the maps at `output`.
  kernels::Pixels pixels(int i, int count, const kernels::OutputMaps& output) const {
    return {.data = images_.image(first_ + i),
            .type = images_.type,
            .image_stride = images_.image_stride,
            .channel_stride = images_.channel_stride,
            .row_stride = images_.row_stride,
            .column_stride = images_.column_stride,
            .images = count,
            .channels = images_.channels,
            .height = images_.height,
            .width = images_.width,
            .scale = plan_.scale_of(images_.type),
            .shift = plan_.scaling().shift.data(),
            .output = output,
            .first_column = 0,
            .odd_columns = 0};
  }

  void load(int v) const {
    const Buffer& input = plan_.buffers().front();
    plan_.table().load_pixels(
        pixels(v * lanes(), std::min(lanes(), count_ - v * lanes()),
               {data(input, v) + input.at(0, top(), left()) * lanes(), input.map() * lanes(), input.row() * lanes()}));
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
  void compute_block(Kernel kernel, const Plan::BlockStep& step, int count) const {
    kernel.input = data(step.input, 0);
    kernel.output = data(step.output, 0);
    kernel.vectors = count;
    if constexpr (std::is_same_v<Kernel, kernels::Dense>)
      plan_.table().dense(kernel);
    else
      plan_.table().rbf(kernel);
  }

  // ---- Lanes are output maps or columns ----

  // False, and nothing computed, where the image holds what only the lanes can take.
  bool single(int i) {
    float* const memory = memory_ + plan_.single_offset();
    if (!single_borders_laid_) lay_single_borders(memory);
    single_borders_laid_ = true;
    const SinglePlan::Image& image = plan_.single()->image();
    const int padding = plan_.network().padding_of(0);
    kernels::Pixels source =
        pixels(i, 1, {memory + (padding + top()) * image.row_stride, image.map_stride, image.row_stride});
    source.first_column = padding + left();
    source.odd_columns = image.odd_columns;
    plan_.table().load_single(source);
    const std::ptrdiff_t size = plan_.network().input().maps * image.map_stride;
    if (plan_.single()->wants_finite_images() &&
        !plan_.table().pixel_range(memory, static_cast<std::size_t>(size)).finite)
      return false;
    for (const SinglePlan::Step& step : plan_.single()->steps())
      std::visit([&](const auto& kernel) { compute_single(kernel, step, memory, i); }, step.kernel);
    return true;
  }

  // What lay_borders does, and zeros behind the maps, where a vector may reach.
  void lay_single_borders(float* memory) const {
    const SinglePlan::Image& image = plan_.single()->image();
    const Shape& input = plan_.network().input();
    const int padding = plan_.network().padding_of(0);
    std::fill_n(memory + input.maps * image.map_stride, lanes() + 2, 0.0f);
    if (padding > 0) std::fill_n(memory, input.maps * image.map_stride, 0.0f);
    if (images_.height == input.height) return;
    for (int c = 0; c < input.maps; ++c) {
      float* const map = memory + c * image.map_stride;
      if (padding == 0) {
        std::fill_n(map, image.map_stride, background(c));
        continue;
      }
      for (int y = padding; y < padding + input.height; ++y)
        for (int x = padding; x < padding + input.width; ++x)
          map[y * image.row_stride + image.column(x)] = background(c);
    }
  }

  // The outputs of dense layers join those of the block.
  template <class Kernel>
  void compute_single(Kernel kernel, const SinglePlan::Step& step, float* memory, int i) const {
    kernel.input = memory + step.input;
    kernel.output = memory + step.output;
    if constexpr (requires { kernel.rows; }) kernel.rows = memory + plan_.single()->rows_offset();
    call(kernel);
    if (!plan_.network().is_dense_from(step.layer)) return;
    const Buffer& buffer = plan_.buffer_of(step.layer);
    float* const to = values(buffer, i);
    for (int unit = 0; unit < buffer.shape.maps; ++unit) to[unit * lanes()] = kernel.output[unit];
  }

  void call(const kernels::SingleConv5x5& kernel) const { plan_.table().single_conv5x5(kernel); }
  void call(const kernels::SingleWideConv5x5& kernel) const { plan_.table().single_wide_conv5x5(kernel); }
  void call(const kernels::SingleDense& kernel) const { plan_.table().single_dense(kernel); }
  void call(const kernels::SingleRBF& kernel) const { plan_.table().single_rbf(kernel); }

  // ---- Outputs ----

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

  // Maps without a border are one row of values, others a row at a time.
  void copy_rows(const Buffer& buffer, float* out) const {
    const Shape& shape = buffer.shape;
    const std::ptrdiff_t size = shape.size(), joint = buffer.padding == 0 ? size : shape.width;
    for (int v = 0; v * lanes() < count_; ++v)
      for (std::ptrdiff_t done = 0; done < size; done += joint) {
        const auto row = static_cast<int>(done / shape.width);
        plan_.table().store_rows(
            {.data = data(buffer, v) + buffer.at(row / shape.height, row % shape.height, 0) * lanes(),
             .count = joint,
             .images = std::min(lanes(), count_ - v * lanes()),
             .output = out + (first_ + v * lanes()) * size + done,
             .image_stride = size});
      }
  }

  // A NaN never wins against a number.
  std::int64_t label(const Buffer& scores, int i) const {
    const float* const score = values(scores, i);
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < scores.shape.size(); ++k) {
      const float here = distance(score[k * lanes()]), nearest = distance(score[best * lanes()]);
      if (here < nearest || (std::isnan(nearest) && !std::isnan(here))) best = k;
    }
    return !outputs_.reject || is_trusted(scores, i, best) ? best : kRejected;
  }

  // Never where a score is NaN, or the two best ones are infinite alike.
  bool is_trusted(const Buffer& scores, int i, std::int64_t best) const {
    const float* const score = values(scores, i);
    const float first = distance(score[best * lanes()]);
    float second = std::numeric_limits<float>::infinity();
    for (std::int64_t k = 0; k < scores.shape.size(); ++k) {
      const float here = distance(score[k * lanes()]);
      if (std::isnan(here)) return false;
      if (k != best) second = std::min(second, here);
    }
    return second - first >= plan_.calibration().margin && first <= plan_.calibration().distance;
  }

  // The smallest wins: RBF distances as they are, scores negated.
  float distance(float score) const { return plan_.network().head() == Head::rbf ? score : -score; }

  // In place: whoever wanted the scores themselves has them by now.
  void softmax(const Buffer& scores) const {
    const float sign = plan_.network().head() == Head::rbf ? -1.0f : 1.0f;
    for (int v = 0; v * lanes() < count_; ++v)
      plan_.table().softmax({.scores = data(scores, v),
                             .probabilities = data(scores, v),
                             .classes = static_cast<int>(scores.shape.size()),
                             .sign = sign,
                             .sharpness = plan_.calibration().sharpness,
                             .has_rubbish = outputs_.has_rubbish,
                             .rubbish = outputs_.rubbish * sign});
  }

  const Plan& plan_;
  const ImageView& images_;
  const Outputs& outputs_;
  float* const memory_;
  const int block_images_;
  std::int64_t first_ = 0;  // the block's images: [first_, first_ + count_)
  int count_ = 0;
  bool can_be_single_ = false, borders_laid_ = false, single_borders_laid_ = false;
};

// How a run is shared: threads that are worth waking, and images that one of them takes at a time.
struct Share {
  int threads, block_images;
};

// Blocks are as large as the dense layers like them unless that leaves too few to share evenly.
Share share_of(const Plan& plan, std::int64_t images) {
  const int lanes = plan.table().lanes;
  const std::int64_t vectors = (images + lanes - 1) / lanes;
  std::int64_t connections = 0;
  const bool is_countable = !__builtin_mul_overflow(images, plan.connections(), &connections);
  const std::int64_t worth = is_countable ? std::min(vectors, connections / kWorthWaking) : vectors;
  const int threads = static_cast<int>(std::clamp<std::int64_t>(worth, 1, threads::count()));
  const bool enough = threads == 1 || vectors >= std::int64_t{4} * kBlockVectors * threads;
  return {threads, lanes * (enough ? kBlockVectors : 1)};
}

// A run, whatever thread works at it.
class Run final : public threads::Task {
 public:
  Run(const Plan& plan, const ImageView& images, const Outputs& outputs, int block_images)
      : plan_(plan),
        images_(images),
        outputs_(outputs),
        block_images_(block_images),
        blocks_((images.images + block_images - 1) / block_images) {}

  // The calling thread's part; false where it was interrupted.
  bool work(float* memory, Interrupt& interrupt) {
    Worker worker(plan_, images_, outputs_, block_images_, memory);
    for (std::int64_t block; blocks_.take(block);) {
      worker.block(block);
      if (blocks_.has_more() && interrupt.is_wanted()) {
        blocks_.stop();
        return false;
      }
    }
    return true;
  }

  void help(float* memory) noexcept override {
    Worker worker(plan_, images_, outputs_, block_images_, memory);
    for (std::int64_t block; blocks_.take(block);) worker.block(block);
  }

 private:
  const Plan& plan_;
  const ImageView& images_;
  const Outputs& outputs_;
  const int block_images_;
  threads::Counter blocks_;
};

}  // namespace

bool run(const Plan& plan, const ImageView& images, const Outputs& outputs, Interrupt& interrupt) {
  if (images.images == 0) return true;
  const Share share = share_of(plan, images.images);
  const CallersWorkspace own(plan.workspace_size());
  Run run(plan, images, outputs, share.block_images);
  const threads::Helpers helpers(share.threads - 1, plan.workspace_size(), run);
  return run.work(own.data(), interrupt);
}

}  // namespace lenet_fast
