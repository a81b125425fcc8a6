// exp, log, tanh and the others as polynomials in explicit fused multiply-adds, one text for every instruction
// set and both types, so that the bits agree. Included inside an instruction set's own namespace.

template <class Real>
struct Fit;

template <>
struct Fit<float> {
  static constexpr int MANTISSA = 23, BIAS = 127;
  static constexpr int32_t SIGN = INT32_MIN;
  static constexpr float MAGIC = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  static constexpr float LOG2E = 1.44269502f, LN2_HI = 0.693147182f, LN2_LO = -1.90465421e-9f;
  static constexpr float EXP_LOW = -104.f, EXP_HIGH = 89.f;  // beyond: 0 and inf
  static constexpr float SIGMOID_HIGH = 88.3f, EXPM1_LOW = -18.f, TANH_HIGH = 20.f;
  static constexpr float TINY = 1e-8f, SMALLEST = 1.17549435e-38f;
  static constexpr int32_t ROOT_HALF = 0x3f3504f3, ONE = 0x3f800000, MANTISSA_BITS = 0x007fffff, INTEGER = 0x4b000000;
  static constexpr float INTEGER_BIAS = 8388608.f + 127.f;
  static constexpr float TWO_OVER_PI = 0.636619747f, PIO2[3] = {1.57079637f, -4.37113883e-8f, -1.71512451e-15f};
  static constexpr float TRIG_LIMIT = 8192.f;
  // (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; highest power first, as all below
  static constexpr float EXP[] = {0.00139261840f, 0.00836317893f, 0.0416665561f, 0.166665763f, 0.5f};
  // (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2
  static constexpr float LOG[] = {0.233305827f, 0.285508156f, 0.400001228f, 0.666666687f};
  // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi / 4
  static constexpr float SIN[] = {2.72498642e-6f, -0.000198400856f, 0.00833333191f, -0.166666672f};
  static constexpr float COS[] = {2.45478914e-5f, -0.00138883025f, 0.0416666642f};
};

template <>
struct Fit<double> {
  static constexpr int MANTISSA = 52, BIAS = 1023;
  static constexpr int64_t SIGN = INT64_MIN;
  static constexpr double MAGIC = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double LOG2E = 1.4426950408889634, LN2_HI = 0.6931471805599453, LN2_LO = 2.3190468138462996e-17;
  static constexpr double EXP_LOW = -746., EXP_HIGH = 710.;
  static constexpr double SIGMOID_HIGH = 709., EXPM1_LOW = -38., TANH_HIGH = 44.;
  static constexpr double TINY = 1e-17, SMALLEST = 2.2250738585072014e-308;
  static constexpr int64_t ROOT_HALF = 0x3fe6a09e667f3bcd, ONE = 0x3ff0000000000000, MANTISSA_BITS = 0x000fffffffffffff,
                           INTEGER = 0x4330000000000000;
  static constexpr double INTEGER_BIAS = 4503599627370496. + 1023.;
  static constexpr double TWO_OVER_PI = 0.6366197723675814;
  static constexpr double PIO2[3] = {1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33};
  static constexpr double TRIG_LIMIT = 1048576.;
  // clang-format off
  static constexpr double EXP[] = {2.0914686968086876e-09, 2.5105217004720745e-08, 2.7557273643110297e-07,
                                   2.7557255400206422e-06, 2.4801587325547743e-05, 0.00019841269874820627,
                                   0.0013888888888883748, 0.0083333333333261358, 0.041666666666666671,
                                   0.16666666666666671, 0.5};
  // clang-format on
  static constexpr double LOG[] = {0.14616585424888623, 0.15331710618210773, 0.18182889455674947, 0.22222211130259878,
                                   0.2857142862600327,  0.39999999999899444, 0.66666666666666696};
  static constexpr double SIN[] = {-7.5866850700912671e-13, 1.6058531414589011e-10, -2.5052106231157904e-08,
                                   2.7557319219335453e-06,  -0.0001984126984126506, 0.0083333333333333315,
                                   -0.16666666666666666};
  static constexpr double COS[] = {4.7458652037874553e-14, -1.1470460773969325e-11, 2.0876755790363397e-09,
                                   -2.755731922140076e-07, 2.4801587301584645e-05,  -0.0013888888888888887,
                                   0.041666666666666664};
};

template <class S>
struct Functions {
  using Real = typename S::Real;
  using V = typename S::V;
  using I = typename S::I;
  using M = typename S::M;
  using F = Fit<Real>;

  template <int N>
  static V polynomial(V x, const Real (&c)[N]) {
    V y = S::set(c[0]);
#pragma GCC unroll 16
    for (int k = 1; k < N; ++k) y = S::fma(y, x, S::set(c[k]));
    return y;
  }
  static I sign_bit() { return S::iset(F::SIGN); }
  static V neg(V x) { return S::number(S::ixor(S::bits(x), sign_bit())); }
  static V minus_abs(V x) { return S::number(S::ior(S::bits(x), sign_bit())); }
  static V abs(V x) { return S::number(S::iand(S::bits(x), S::iset(~F::SIGN))); }
  static V with_sign(V x, V from) { return S::number(S::ior(S::bits(x), S::iand(S::bits(from), sign_bit()))); }

  // x = n ln 2 + r with |r| <= ln(2) / 2: returns exp(r) - 1 and, in the low bits of t, n + BIAS.
  static V reduced_expm1(V x, V& t) {
    V magic = S::set(F::MAGIC + F::BIAS);
    t = S::fma(x, S::set(F::LOG2E), magic);
    V n = S::sub(t, magic);
    V r = S::fma(n, S::set(-F::LN2_HI), x);
    r = S::fma(n, S::set(-F::LN2_LO), r);
    return S::fma(S::mul(r, r), polynomial(r, F::EXP), r);
  }
  // 2^n, which must be normal; 0 for the n below
  static V power(V t) { return S::number(S::template shl<F::MANTISSA>(S::bits(t))); }

  static V exp(V x) {
    V t, clamped = S::greater(S::set(F::EXP_LOW), S::lesser(S::set(F::EXP_HIGH), x));
    V p = S::add(S::set(1), reduced_expm1(clamped, t));
    // two factors, so that neither leaves the normal numbers though 2^n may
    I n = S::iadd(S::isub(S::bits(t), S::bits(S::set(F::MAGIC))), S::iset(F::BIAS));
    I half = S::template shr<1>(n);
    V low = S::number(S::template shl<F::MANTISSA>(half));
    V high = S::number(S::template shl<F::MANTISSA>(S::isub(n, half)));
    return S::mul(S::mul(p, low), high);
  }

  static V expm1(V x) {
    V t, clamped = S::greater(S::set(F::EXPM1_LOW), S::lesser(S::set(F::EXP_HIGH), x));
    V q = reduced_expm1(clamped, t);
    V half = S::number(S::isub(S::bits(power(t)), S::template shl<F::MANTISSA>(S::iset(1))));
    V y = S::fma(q, half, S::sub(half, S::set(Real(0.5))));
    // x itself near 0, flushed like any result
    return S::select(S::lt(abs(x), S::set(F::TINY)), S::fma(x, S::set(0), x), S::add(y, y));
  }

  // r = e / (e + 1) with e = exp(-|x|), or 1 - r: near 1 the distance to 1 keeps its accuracy
  static V sigmoid(V x) {
    V t, q = reduced_expm1(S::greater(S::set(-F::SIGMOID_HIGH), minus_abs(x)), t), s = power(t);
    V e = S::fma(q, s, s), r = S::div(e, S::add(e, S::set(1)));
    return S::select(S::lt(x, S::set(0)), r, S::sub(S::set(1), r));
  }

  // e / d with e = expm1(2 |x|) and d = e + 2. From e = 2 on, d - 2 is exact and takes the place of e, since d has
  // rounded e: so the distance to 1 keeps its accuracy here, too.
  static V tanh(V x) {
    V a = abs(x), t, q = reduced_expm1(S::lesser(S::set(F::TANH_HIGH), S::add(a, a)), t), s = power(t);
    V e = S::fma(q, s, S::sub(s, S::set(1))), d = S::add(e, S::set(2));
    V n = S::select(S::lt(e, S::set(2)), e, S::sub(d, S::set(2)));
    return with_sign(S::div(n, d), x);
  }

  // log(1 + f) + k ln 2 for sqrt(1/2) - 1 <= f <= sqrt(2) - 1
  static V log_parts(V f, V k) {
    V s = S::div(f, S::add(S::set(2), f)), z = S::mul(s, s), half_square = S::mul(S::set(Real(0.5)), S::mul(f, f));
    V rest = S::fma(k, S::set(F::LN2_LO), S::mul(s, S::fma(z, polynomial(z, F::LOG), half_square)));
    return S::fma(k, S::set(F::LN2_HI), S::sub(f, S::sub(half_square, rest)));
  }

  static V log(V x) {
    I i = S::iadd(S::isub(S::bits(x), S::iset(F::ROOT_HALF)), S::iset(F::ONE));
    V k = S::sub(S::number(S::ior(S::template shr<F::MANTISSA>(i), S::iset(F::INTEGER))), S::set(F::INTEGER_BIAS));
    V m = S::number(S::iadd(S::iand(i, S::iset(F::MANTISSA_BITS)), S::iset(F::ROOT_HALF)));
    V y = log_parts(S::sub(m, S::set(1)), k);
    Real inf = Real(__builtin_inf());
    V below = S::select(S::lt(x, S::set(0)), S::set(Real(__builtin_nan(""))), S::set(-inf));
    y = S::select(S::lt(x, S::set(F::SMALLEST)), below, y);
    return S::select(S::lt(x, S::set(inf)), y, x);
  }

  // max(x, 0) + log(1 + exp(-|x|))
  static V softplus(V x) {
    V y = exp(neg(abs(x)));
    M large = S::lt(S::set(Real(0.41421356)), y);
    V f = S::select(large, S::mul(S::sub(y, S::set(1)), S::set(Real(0.5))), y);
    return S::add(S::greater(x, S::set(0)), log_parts(f, S::select(large, S::set(1), S::set(0))));
  }

  // x = n pi/2 + r with |r| <= pi/4; returns r, and n's last two bits in q.
  static V quadrant(V x, I& q) {
    V t = S::fma(x, S::set(F::TWO_OVER_PI), S::set(F::MAGIC)), n = S::sub(t, S::set(F::MAGIC)), r = x;
    for (int k = 0; k < 3; ++k) r = S::fma(n, S::set(-F::PIO2[k]), r);
    M good = S::lt(abs(x), S::set(F::TRIG_LIMIT));
    q = S::bits(t);
    if (!S::any(S::nonzero(S::bits(S::select(good, S::set(0), S::set(1)))))) return r;
    Real xs[S::W], rs[S::W], qs[S::W];
    S::store(xs, x), S::store(rs, r), S::store(qs, n);
    for (int l = 0; l < S::W; ++l) {
      if (xs[l] < F::TRIG_LIMIT && -xs[l] < F::TRIG_LIMIT) continue;
      double rest;
      qs[l] = Real(reduce_quadrant(double(xs[l]), &rest));
      rs[l] = Real(rest);
    }
    V whole = S::select(good, n, S::load(qs));
    q = S::bits(S::add(whole, S::set(F::MAGIC)));
    return S::load(rs);
  }

  static V sine(V x, int turn) {
    I q, one = S::iset(1), two = S::iset(2);
    V r = quadrant(x, q), z = S::mul(r, r);
    q = S::iadd(q, S::iset(turn));
    V sin = S::fma(S::mul(r, z), polynomial(z, F::SIN), r);
    V cos = S::fma(S::mul(z, z), polynomial(z, F::COS), S::fma(z, S::set(Real(-0.5)), S::set(1)));
    V y = S::select(S::nonzero(S::iand(q, one)), cos, sin);
    return S::number(S::ixor(S::bits(y), S::template shl<F::MANTISSA + (sizeof(Real) == 4 ? 7 : 10)>(S::iand(q, two))));
  }
  static V sin(V x) { return sine(x, 0); }
  static V cos(V x) { return sine(x, 1); }

  static V rsqrt(V x) { return S::div(S::set(1), S::sqrt(x)); }
  static V sign(V x) {
    V unit = with_sign(S::set(1), x);
    V y = S::select(S::eq(x, S::set(0)), S::set(0), unit);
    return S::select(S::eq(x, x), y, x);
  }
  // NaN passes; at a tie a.
  static V max(V a, V b) { return S::select(S::either(S::le(b, a), unordered(a)), a, b); }
  static V min(V a, V b) { return S::select(S::either(S::le(a, b), unordered(a)), a, b); }
  static M unordered(V a) { return S::nonzero(S::bits(S::select(S::eq(a, a), S::set(0), S::set(1)))); }
  static V relu(V x) { return S::select(S::le(x, S::set(0)), S::set(0), x); }
  static V truth(M m) { return S::select(m, S::set(1), S::set(0)); }
  static V dtanh(V g, V y) { return S::mul(g, S::fma(neg(y), y, S::set(1))); }
  static V dsigmoid(V g, V y) { return S::mul(g, S::mul(y, S::sub(S::set(1), y))); }
};
