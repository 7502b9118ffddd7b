// Prints, for every instruction set of the machine it runs on, a digest of what whole networks compute: the same line
// on every machine, real or emulated, or the promise of the same bits is broken. Weights and images come from a
// generator of whole numbers, so that no library decides about them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../../csrc/arithmetic.hpp"
#include "../../csrc/cpu.hpp"
#include "../../csrc/engine.hpp"

using namespace lenet_fast;

namespace {

class Generator {
 public:
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 33);
  }
  // A multiple of 2^-12 between -limit and limit, roughly.
  float weight(float limit) { return (static_cast<float>(next() % 4097) / 2048.0f - 1.0f) * limit; }

 private:
  std::uint64_t state_ = 1998;
};

class Patient final : public Interrupt {
  bool ask() noexcept override { return false; }
};

Network classic() {
  const std::vector<std::vector<int>> table{{0, 1, 2},    {1, 2, 3},    {2, 3, 4},    {3, 4, 5},
                                            {0, 4, 5},    {0, 1, 5},    {0, 1, 2, 3}, {1, 2, 3, 4},
                                            {2, 3, 4, 5}, {0, 3, 4, 5}, {0, 1, 4, 5}, {0, 1, 2, 5},
                                            {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5}};
  constexpr Activation kSquash{Activation::scaled_tanh, 0};
  return {{1, 32, 32},
          {Conv5x5{6, kSquash, 0, {}}, Subsample2x2{Pooling::trainable, kSquash}, Conv5x5{16, kSquash, 0, table},
           Subsample2x2{Pooling::trainable, kSquash}, Conv5x5{120, kSquash, 0, {}}, Dense{84, kSquash}, RBF{10}},
          Head::rbf};
}

Network modern(Activation activation, Pooling pooling, int padding) {
  constexpr Activation kNone{Activation::identity, 0};
  return {{3, 28, 30},
          {Conv5x5{7, activation, padding, {}}, Subsample2x2{pooling, kNone}, Conv5x5{9, activation, 0, {}},
           Subsample2x2{pooling, kNone}, Dense{21, activation}, Dense{10, kNone}},
          Head::softmax};
}

// Scores and probabilities of images taken `batch` at a time.
std::uint64_t digest(const Plan& plan, const std::vector<unsigned char>& pixels, std::ptrdiff_t images,
                     std::ptrdiff_t batch) {
  const Shape in = plan.network().input();
  const auto classes = static_cast<std::size_t>(plan.network().output().size());
  std::vector<float> scores(static_cast<std::size_t>(images) * classes), probabilities(scores.size());
  for (std::ptrdiff_t i = 0; i < images; i += batch) {
    const ImageView view{pixels.data() + i * in.size(),
                         PixelType::uint8,
                         std::min(batch, images - i),
                         in.maps,
                         in.height,
                         in.width,
                         in.size(),
                         in.height * in.width,
                         in.width,
                         1};
    const auto at = static_cast<std::size_t>(i) * classes;
    const Tap tap{plan.network().layers().size() - 1, scores.data() + at};
    Outputs outputs;
    outputs.taps = {&tap, 1};
    outputs.probabilities = probabilities.data() + at;
    const DefaultArithmetic arithmetic;
    Patient caller;
    if (!run(plan, view, outputs, caller)) std::exit(1);
  }
  std::uint64_t hash = 14695981039346656037u;
  for (const auto* values : {&scores, &probabilities}) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values->data());
    for (std::size_t i = 0; i < values->size() * sizeof(float); ++i) hash = (hash ^ bytes[i]) * 1099511628211u;
  }
  return hash;
}

std::uint64_t digest(const Network& network, const kernels::Table& table, std::ptrdiff_t batch) {
  constexpr std::ptrdiff_t kImages = 37;
  Generator generator;
  std::vector<std::vector<float>> values;
  for (const LayerFigures& layer : network.figures()) {
    for (int i = 0; i < 2; ++i) {
      const auto index = static_cast<std::size_t>(i);
      values.emplace_back(index < layer.parameters.size() ? static_cast<std::size_t>(layer.parameters[index].count())
                                                          : 0);
      for (float& value : values.back()) value = generator.weight(0.25f);
    }
  }
  std::vector<LayerWeights> weights;
  for (std::size_t i = 0; i < values.size(); i += 2) weights.push_back({values[i], values[i + 1]});
  const auto channels = static_cast<std::size_t>(network.input().maps);
  const Plan plan(network, weights, {std::vector<float>(channels, 1.275f), std::vector<float>(channels, -0.1f), 0.0f},
                  {}, table, false);
  std::vector<unsigned char> pixels(static_cast<std::size_t>(kImages * network.input().size()));
  for (unsigned char& pixel : pixels) pixel = static_cast<unsigned char>(generator.next());
  return digest(plan, pixels, kImages, batch);
}

}  // namespace

int main() {
  const Network networks[] = {classic(), modern({Activation::tanh, 0}, Pooling::average, 0),
                              modern({Activation::relu, 0}, Pooling::max, 2),
                              modern({Activation::leaky_relu, 0.1f}, Pooling::average, 2),
                              modern({Activation::sigmoid, 0}, Pooling::trainable, 1)};
  for (const kernels::Table* table : cpu::available())
    for (const std::ptrdiff_t batch : {1, 3, 37}) {
      std::printf("%-8s batch %2d ", table->name, static_cast<int>(batch));
      for (const Network& network : networks)
        std::printf(" %016llx", static_cast<unsigned long long>(digest(network, *table, batch)));
      std::printf("\n");
    }
}
