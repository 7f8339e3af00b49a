// Step 2 of METHOD.md section 2: the function of a similarity whose mean is a token's energy.
#if defined(PITOME_CPU_ENERGY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_ENERGY_INL_H_
#undef PITOME_CPU_ENERGY_INL_H_
#else
#define PITOME_CPU_ENERGY_INL_H_
#endif

#include <cmath>

#include "numbers-inl.h"
#include "problem.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

// Where tokens are ordered by position there is none.
struct NoEnergy {
  static constexpr bool kUsed = false;
  HWY_INLINE Vector operator()(Vector similarity) const { return similarity; }
};

// Division by `width`; a product where that gives the same bits, since a division takes ten times as long.
template <bool kDivides>
class Piecewise {
 public:
  static constexpr bool kUsed = true;

  explicit Piecewise(const Parameters& parameters)
      : margin_(parameters.margin),
        offset_(parameters.offset),
        width_(kDivides ? parameters.width : 1.0F / parameters.width),
        alpha_(parameters.alpha) {}

  HWY_INLINE Vector operator()(Vector similarity) const {
    const Floats d;
    const Vector above = over_width(hn::Sub(similarity, hn::Set(d, offset_)));
    if (alpha_ == 0.0F) {
      return hn::IfThenElseZero(hn::Ge(similarity, hn::Set(d, margin_)), above);
    }
    const Vector below_margin = hn::Min(hn::Sub(similarity, hn::Set(d, margin_)), hn::Zero(d));
    const Vector power = exp_of_negative(d, over_width(below_margin));
    const Vector below = hn::Mul(hn::Set(d, alpha_), hn::Sub(power, hn::Set(d, 1.0F)));
    return hn::IfThenElse(hn::Ge(similarity, hn::Set(d, margin_)), above, below);
  }

 private:
  HWY_INLINE Vector over_width(Vector value) const {
    const Vector width = hn::Set(Floats(), width_);
    return kDivides ? hn::Div(value, width) : hn::Mul(value, width);
  }

  float margin_, offset_, width_, alpha_;
};

class Gaussian {
 public:
  static constexpr bool kUsed = true;

  explicit Gaussian(const Parameters& parameters) : sigma_(1.0F - parameters.margin) {}

  HWY_INLINE Vector operator()(Vector similarity) const {
    const Floats d;
    const Vector distance = hn::Div(hn::Sub(hn::Set(d, 1.0F), similarity), hn::Set(d, sigma_));
    return exp_of_negative(d, hn::Mul(hn::Set(d, -0.5F), hn::Mul(distance, distance)));
  }

 private:
  float sigma_;
};

inline bool is_power_of_two(float value) {
  int exponent;
  return std::frexp(value, &exponent) == 0.5F;
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
