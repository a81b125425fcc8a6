// The table of one instruction set's functions. Included last inside its namespace.

template <class Real>
const Kernels<Real> kernels = {
    Simd<Real>::W,        PANEL_VECTORS,         TILE_ROWS,
    Pointwise<Real>::run, Gemm<Real>::run,       Rows<Real>::expand,
    Rows<Real>::sum,      Rows<Real>::normalise, Rows<Real>::normalise_grad,
    Rows<Real>::uniform,  Rows<Real>::matvec,    Outer<Real>::run,
    Fingerprint::fold,
};
