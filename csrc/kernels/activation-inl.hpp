// Squashing functions and the other activations.
//
// tanh(x) = x P(x^2) / Q(x^2) with P and Q of degree 4, the minimax fit of the relative error on |x| <= 9 (2.1e-8; tanh
// rounds to 1 from there on, so larger arguments are clamped). Evaluated in float the error is at most 4e-7. Cost: 13
// operations and a division. Amplitude and slope of the scaled tanh are folded into the coefficients, so
// 1.7159 tanh(2x/3) costs the same.
//
// As numerator and denominator apart (`fraction`), four values of a subsampling window need one division together:
// 9 operations instead of three more divisions, each of which holds the divider of a wide vector unit for 5 to 16
// cycles. Q stays below 420 on the clamped range, so a product of four is far from overflow.
//
// exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2: ln 2 in two parts, a Taylor polynomial of degree 7 (error
// 6e-9), and n moved into the exponent by the adding of a constant whose last bits it then fills.
#pragma once

namespace {

using simd::Vec;

struct Fraction {
  Vec numerator, denominator;
};

// a / b + c / d over one denominator.
inline Fraction operator+(Fraction x, Fraction y) {
  const Vec crossed = simd::mul(y.numerator, x.denominator);
  return {simd::fma(x.numerator, y.denominator, crossed), simd::mul(x.denominator, y.denominator)};
}

inline Vec clamp(Vec x, float limit) {  // NaN stays NaN: the second operand of min and max wins
  return simd::min(simd::broadcast(limit), simd::max(simd::broadcast(-limit), x));
}

// amplitude * tanh(slope * x)
struct TanhCoefficients {
  float p[5], q[5];
  float argument_limit, value_limit;
};

constexpr TanhCoefficients tanh_coefficients(double amplitude, double slope) {
  constexpr double p[5] = {0.9999999794443959, 0.13381024515201628, 0.0034955868478079924, 2.060906313805614e-05,
                           1.3354637985956731e-08};
  constexpr double q[5] = {1.0, 0.4671434010462979, 0.025876977192290707, 0.000328563281050903, 7.776548052338605e-07};
  TanhCoefficients result{};
  double power = 1;
  for (int k = 0; k < 5; ++k, power *= slope * slope) {
    result.p[k] = static_cast<float>(amplitude * slope * power * p[k]);
    result.q[k] = static_cast<float>(power * q[k]);
  }
  result.argument_limit = static_cast<float>(9 / slope);
  result.value_limit = static_cast<float>(amplitude);
  return result;
}

inline Vec polynomial(Vec t, const float (&c)[5]) {
  Vec sum = simd::broadcast(c[4]);
  sum = simd::fma(sum, t, simd::broadcast(c[3]));
  sum = simd::fma(sum, t, simd::broadcast(c[2]));
  sum = simd::fma(sum, t, simd::broadcast(c[1]));
  return simd::fma(sum, t, simd::broadcast(c[0]));
}

inline Fraction tanh_fraction(Vec x, const TanhCoefficients& c) {
  const Vec a = clamp(x, c.argument_limit);
  const Vec t = simd::mul(a, a);
  return {simd::mul(a, polynomial(t, c.p)), polynomial(t, c.q)};
}

inline Vec value(Fraction f, const TanhCoefficients& c) {
  return clamp(simd::div(f.numerator, f.denominator), c.value_limit);
}

inline Vec exp(Vec x) {
  constexpr float kShift = 12582912.0f + 127.0f;  // 1.5 * 2^23 leaves whole numbers in the last bits; 127 biases them
  const Vec a = simd::min(simd::broadcast(88.0f), simd::max(simd::broadcast(-87.0f), x));
  const Vec shifted = simd::fma(a, simd::broadcast(1.44269504f), simd::broadcast(kShift));
  const Vec n = simd::sub(shifted, simd::broadcast(kShift));
  Vec r = simd::fma(n, simd::broadcast(-0.693359375f), a);
  r = simd::fma(n, simd::broadcast(2.12194440e-4f), r);
  constexpr float kTaylor[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  Vec sum = simd::broadcast(1.0f / 5040);
  for (const float c : kTaylor) sum = simd::fma(sum, r, simd::broadcast(c));
  return simd::mul(sum, simd::low_bits_to_exponent(shifted));
}

// One activation: how it maps a vector, and how four of its values are added. Not every type needs `apply` to be
// written out twice, so the sum of plain values is the default.
template <class Self>
struct SumOfValues {
  static Vec sum(Vec a, Vec b, Vec c, Vec d) {
    return simd::add(simd::add(Self::apply(a), Self::apply(b)), simd::add(Self::apply(c), Self::apply(d)));
  }
};

struct Identity : SumOfValues<Identity> {
  static Vec apply(Vec x) { return x; }
};

struct Relu : SumOfValues<Relu> {
  static Vec apply(Vec x) { return simd::max(simd::broadcast(0.0f), x); }
};

// max(x, slope * x), which is x above zero and slope * x below for slopes from 0 to 1.
struct LeakyRelu {
  Vec slope;
  Vec apply(Vec x) const { return simd::max(simd::mul(slope, x), x); }
  Vec sum(Vec a, Vec b, Vec c, Vec d) const {
    return simd::add(simd::add(apply(a), apply(b)), simd::add(apply(c), apply(d)));
  }
};

struct Sigmoid : SumOfValues<Sigmoid> {
  static Vec apply(Vec x) {
    const Vec one = simd::broadcast(1.0f);
    return simd::div(one, simd::add(one, exp(simd::sub(simd::broadcast(0.0f), x))));
  }
};

struct PlainTanh {
  static constexpr double kAmplitude = 1, kSlope = 1;
};

struct PaperTanh {  // f(1) = 1 and f(-1) = -1 (appendix A of the paper)
  static constexpr double kAmplitude = 1.7159, kSlope = 2.0 / 3.0;
};

template <class Constants>
struct Tanh {
  static constexpr TanhCoefficients k = tanh_coefficients(Constants::kAmplitude, Constants::kSlope);
  static Vec apply(Vec x) { return value(tanh_fraction(x, k), k); }
  static Vec sum(Vec a, Vec b, Vec c, Vec d) {
    const Fraction upper = tanh_fraction(a, k) + tanh_fraction(b, k);
    const Fraction lower = tanh_fraction(c, k) + tanh_fraction(d, k);
    const Fraction window = upper + lower;
    return simd::div(window.numerator, window.denominator);
  }
};

// Calls `work` with the type that computes `activation`: the one place that turns the name into code.
template <class Work>
inline void with_activation(Activation activation, Work work) {
  switch (activation.kind) {
    case Activation::identity: return work(Identity{});
    case Activation::scaled_tanh: return work(Tanh<PaperTanh>{});
    case Activation::tanh: return work(Tanh<PlainTanh>{});
    case Activation::sigmoid: return work(Sigmoid{});
    case Activation::relu: return work(Relu{});
    case Activation::leaky_relu: return work(LeakyRelu{simd::broadcast(activation.slope)});
  }
}

// Activates whole aligned vectors in place.
inline void activate_vectors(Activation activation, float* values, std::ptrdiff_t vectors) {
  if (activation.kind == Activation::identity) return;
  with_activation(activation, [=](auto type) {
    for (std::ptrdiff_t i = 0; i < vectors; ++i) {
      float* const v = values + i * simd::kLanes;
      simd::store(v, type.apply(simd::load(v)));
    }
  });
}

// Any count, any alignment: each vector goes through an aligned copy.
void activate(Activation activation, const float* in, float* out, std::size_t count) {
  alignas(kAlignment) float lanes[simd::kLanes] = {};
  for (std::size_t start = 0; start < count; start += simd::kLanes) {
    const std::size_t here = count - start < simd::kLanes ? count - start : simd::kLanes;
    __builtin_memcpy(lanes, in + start, here * sizeof(float));
    activate_vectors(activation, lanes, 1);
    __builtin_memcpy(out + start, lanes, here * sizeof(float));
  }
}

}  // namespace
