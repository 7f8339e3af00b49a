// Rows of the three types as vectors of float32, and the exponential. One copy for each instruction set.
#if defined(PITOME_CPU_NUMBERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PITOME_CPU_NUMBERS_INL_H_
#undef PITOME_CPU_NUMBERS_INL_H_
#else
#define PITOME_CPU_NUMBERS_INL_H_
#endif

#include <hwy/highway.h>

#include "float_types.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of float32, at most 16 of them: with panels of two such vectors `kPadding` covers every kind of
// CPU.
using Floats = hn::CappedTag<float, 16>;
using Vector = hn::Vec<Floats>;

constexpr size_t kLanes = HWY_MAX_LANES_D(Floats);

// --- float16 and bfloat16 from and to float32, rounded to nearest even
// --------------------------------------- Written out, because what Highway does without F16C leaves out
// infinities, and METHOD.md asks for them.

template <class D>
HWY_INLINE hn::Vec<D> widen(D d, hn::Vec<hn::RebindToUnsigned<D>> bits, Float16) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7FFF));
  const auto shifted = hn::ShiftLeft<13>(magnitude);
  // 2^112 moves the exponent's bias from 15 to 127, and makes subnormal numbers normal.
  const auto number = hn::Mul(hn::BitCast(d, shifted), hn::Set(d, 0x1p112F));
  const auto special = hn::BitCast(d, hn::Or(shifted, hn::Set(du, 0x7F800000)));
  const auto is_special = hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, 0x7BFF));
  const auto value = hn::IfThenElse(hn::RebindMask(d, is_special), special, number);
  const auto sign = hn::ShiftLeft<16>(hn::AndNot(hn::Set(du, 0x7FFF), bits));
  return hn::Or(value, hn::BitCast(d, sign));
}

template <class D>
HWY_INLINE hn::Vec<D> widen(D d, hn::Vec<hn::RebindToUnsigned<D>> bits, BFloat16) {
  return hn::BitCast(d, hn::ShiftLeft<16>(bits));
}

template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> narrow(D d, hn::Vec<D> value, Float16) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(du, value);
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000u));
  const auto magnitude = hn::Xor(bits, sign);
  // Normal: rebias, and round to even by adding just under half a unit, and one more where the last bit is 1.
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 1));
  const auto rebiased = hn::Add(magnitude, hn::Set(du, 0xC8000FFFu));
  const auto normal = hn::ShiftRight<13>(hn::Add(rebiased, odd));
  // Subnormal: adding this lets the float32 unit shift and round.
  const auto magic = hn::Set(du, 126u << 23);
  const auto aligned = hn::Add(hn::BitCast(d, magnitude), hn::BitCast(d, magic));
  const auto subnormal = hn::Sub(hn::BitCast(du, aligned), magic);
  const auto is_subnormal = hn::Lt(hn::BitCast(di, magnitude), hn::Set(di, 113 << 23));
  const auto is_infinite = hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, (143 << 23) - 1));
  const auto finite = hn::IfThenElse(hn::RebindMask(du, is_subnormal), subnormal, normal);
  const auto half = hn::IfThenElse(hn::RebindMask(du, is_infinite), hn::Set(du, 0x7C00), finite);
  return hn::Or(half, hn::ShiftRight<16>(sign));
}

template <class D>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> narrow(D, hn::Vec<D> value, BFloat16) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  return hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7FFF)), odd));
}

// --- loads and stores
// ----------------------------------------------------------------------------------------

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* from) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::RebindToUnsigned<D> du;
  return widen(d, hn::PromoteTo(du, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from))), T());
}

// The first `count` lanes; the others are 0.
template <class D>
HWY_INLINE hn::Vec<D> load_part(D d, const float* from, size_t count) {
  return hn::LoadN(d, from, count);
}

template <class D, class T>
HWY_INLINE hn::Vec<D> load_part(D d, const T* from, size_t count) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::LoadN(d16, reinterpret_cast<const uint16_t*>(from), count);
  return widen(d, hn::PromoteTo(du, bits), T());
}

template <class D>
HWY_INLINE void store_part(D d, hn::Vec<D> value, float* to, size_t count) {
  hn::StoreN(value, d, to, count);
}

template <class D, class T>
HWY_INLINE void store_part(D d, hn::Vec<D> value, T* to, size_t count) {
  const hn::Rebind<uint16_t, D> d16;
  hn::StoreN(hn::TruncateTo(d16, narrow(d, value, T())), d16, reinterpret_cast<uint16_t*>(to), count);
}

// --- the exponential
// -----------------------------------------------------------------------------------------

// exp(x) of x <= 0 to about one unit in the last place; exp(0) is 1, and what would be subnormal is 0.
template <class D>
HWY_INLINE hn::Vec<D> exp_of_negative(D d, hn::Vec<D> x) {
  const hn::RebindToSigned<D> di;
  const auto lowest = hn::Set(d, -87.0F);
  const auto clamped = hn::Max(x, lowest);
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first of which n multiplies exactly.
  const auto n = hn::Round(hn::Mul(clamped, hn::Set(d, 1.44269504F)));
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), clamped);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  // The minimax polynomial of Cephes' expf.
  auto p = hn::Set(d, 1.9875691500e-4F);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1F));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1F));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::IfThenZeroElse(hn::Lt(x, lowest), hn::Mul(p, hn::BitCast(d, exponent)));
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#endif
