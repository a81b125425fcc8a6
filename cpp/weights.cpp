// From a program and the caller's parameters to what a run reads.
#include "weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "pool.h"
#include "section.h"

namespace ostinato {

std::unique_ptr<Weights> make_weights(std::shared_ptr<const Program> program, bool is_double, const Isa& isa) {
  if (is_double) return std::make_unique<TypedWeights<double>>(std::move(program), *isa.f64);
  return std::make_unique<TypedWeights<float>>(std::move(program), *isa.f32);
}

template <class Real>
TypedWeights<Real>::TypedWeights(std::shared_ptr<const Program> program, const Kernels<Real>& kernels)
    : program_(std::move(program)), kernels_(kernels), const_at_(program_->values.size()) {
  FlushSubnormals flush;
  const Program& p = *program_;
  Layout layout;
  std::vector<size_t> offsets(p.values.size());
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].space == CONST)
      offsets[v] = layout.add(std::max<int64_t>(SCALAR_LANES, p.values[v].width), sizeof(Real));
  consts_ = Arena(layout.bytes());
  layout.guard(consts_.data());
  for (size_t v = 0; v < p.values.size(); ++v) {
    const Value& value = p.values[v];
    if (value.space != CONST) continue;
    const_at_[v] = reinterpret_cast<Real*>(consts_.data() + offsets[v]);
    for (int64_t i = 0; i < std::max<int64_t>(SCALAR_LANES, value.width); ++i)
      const_at_[v][i] = Real(p.consts[value.offset + (value.width == 1 ? 0 : std::min<int64_t>(i, value.width - 1))]);
  }

  for (const Pack& pack : p.packs) shapes_.push_back(cut(pack));
  for (const Item& item : p.sections[LOOP])
    if (item.opcode == OP_GEMM) {
      const GemmShape& shape = shapes_[item.words[0]];
      loop_bytes_ += width(shape) * shape.depth * int64_t(sizeof(Real));
    }
  splits_ = make_splits(p, shapes_, kernels_, loop_bytes_);
}

// Cuts the outputs of a pack into vectors. First come whole vectors of one output, those at one place of their outputs
// side by side: a range of panels is a range of every output's columns. Then comes what is left of each, one after the
// other.
template <class Real>
GemmShape TypedWeights<Real>::cut(const Pack& pack) {
  int32_t lanes = kernels_.lanes, vectors = kernels_.panel_vectors;
  std::vector<Column> parts;
  int64_t all = 0;
  for (size_t o = 0; o < pack.out_widths.size(); ++o) {
    all += pack.out_widths[o];
    for (int32_t first = 0; first < pack.out_widths[o]; first += lanes)
      parts.push_back({int32_t(o), first, std::min(lanes, pack.out_widths[o] - first)});
  }
  auto place = [&](const Column& c) { return c.count < lanes ? 1 : double(c.first) / pack.out_widths[c.out]; };
  std::stable_sort(parts.begin(), parts.end(), [&](auto& a, auto& b) { return place(a) < place(b); });

  int64_t full = (all + lanes - 1) / lanes, one = full % vectors == 1, several = (full - one + vectors - 1) / vectors;
  std::vector<Column>& columns = columns_.emplace_back(size_t(several * vectors + one));
  auto part = parts.begin();
  for (size_t v = 0; v < size_t(full); ++v) {
    size_t last = v;
    for (int32_t lane = 0; lane < lanes && part != parts.end();) {
      Column piece{part->out, part->first, std::min(part->count, lanes - lane), lane};
      if (lane) {
        columns[last].next = int32_t(columns.size() - last), last = columns.size();
        columns.push_back(piece);
      } else {
        columns[v] = piece;
      }
      lane += piece.count, part->first += piece.count, part->count -= piece.count;
      if (!part->count) ++part;
    }
  }
  Panels panels[PANEL_KINDS] = {{columns.data(), several, vectors, vectors * lanes},
                                {columns.data() + several * vectors, one, 1, lanes}};
  return {int32_t(pack.out_widths.size()),
          int32_t(pack.seg_widths.size()),
          pack.seg_widths.data(),
          pack.depth,
          {panels[SEVERAL], panels[ONE]}};
}

// Of a packed matrix, its padding included.
template <class Real>
int64_t TypedWeights<Real>::width(const GemmShape& shape) const {
  int64_t sum = 0;
  for (const Panels& panels : shape.panels) sum += panels.n * panels.width;
  return sum;
}

// 64 bits of all the parameters' bytes.
template <class Real>
uint64_t TypedWeights<Real>::fingerprint(const std::vector<uintptr_t>& params) const {
  uint64_t lanes[FINGERPRINT_LANES], hash = 0;
  for (int64_t l = 0; l < FINGERPRINT_LANES; ++l) lanes[l] = uint64_t(l + 1);
  for (size_t k = 0; k < params.size(); ++k)
    kernels_.fold(lanes, reinterpret_cast<const void*>(params[k]), program_->params[k].size() * int64_t(sizeof(Real)));
  for (uint64_t lane : lanes) hash = std::rotl(hash ^ lane, 29) * 0x9E3779B97F4A7C15u;
  return hash;
}

template <class Real>
void TypedWeights<Real>::update(const std::vector<uintptr_t>& params) {
  if (params.size() != program_->params.size())
    throw std::invalid_argument("update takes " + std::to_string(program_->params.size()) + " addresses, not " +
                                std::to_string(params.size()));
  for (uintptr_t address : params)
    if (address == 0 || address % sizeof(Real))
      throw std::invalid_argument("a parameter's address is null or unaligned");
  std::lock_guard lock(mutex_);
  uint64_t now = fingerprint(params);
  if (filled_ && now == filled_from_) return;
  FlushSubnormals flush;
  // Memory is used again unless a run still reads it.
  std::shared_ptr<Filled<Real>> filled = std::move(filled_);
  if (!filled || filled.use_count() > 1) {
    filled = std::make_shared<Filled<Real>>();
    reserve(*filled);
  }
  fill(*filled, params);
  filled_ = std::move(filled);
  filled_from_ = now;
}

template <class Real>
void TypedWeights<Real>::reserve(Filled<Real>& filled) const {
  const Program& p = *program_;
  Layout params, given, packs;
  params.add(p.param_size, sizeof(Real));
  std::vector<size_t> copies(p.params.size()), packed;
  for (size_t k = 0; k < p.params.size(); ++k)
    if (p.given_later[k]) copies[k] = given.add(p.params[k].size(), sizeof(Real));
  for (const GemmShape& shape : shapes_) packed.push_back(packs.add(width(shape), shape.depth, sizeof(Real)));
  filled.params = Arena(params.bytes());
  filled.given = Arena(given.bytes());
  filled.packs = Arena(packs.bytes());
  params.guard(filled.params.data()), given.guard(filled.given.data()), packs.guard(filled.packs.data());
  filled.given_at.resize(p.params.size());
  for (size_t k = 0; k < p.params.size(); ++k)
    if (p.given_later[k]) filled.given_at[k] = reinterpret_cast<Real*>(filled.given.data() + copies[k]);
  filled.level_p = const_at_;
  for (size_t v = 0; v < p.values.size(); ++v) {
    const Value& value = p.values[v];
    if (value.space == PARAM) filled.level_p[v] = filled.params.template as<Real>() + value.offset;
    if (value.space == GIVEN && p.given_later[value.index])
      filled.level_p[v] = filled.given_at[value.index] + value.offset;
  }
  for (size_t offset : packed) filled.packed.push_back(reinterpret_cast<Real*>(filled.packs.data() + offset));
}

template <class Real>
void TypedWeights<Real>::fill(Filled<Real>& filled, const std::vector<uintptr_t>& params) const {
  const Program& p = *program_;
  // During the update itself, the caller's own arrays are read.
  std::vector<Real*> at = filled.level_p;
  for (size_t v = 0; v < p.values.size(); ++v)
    if (p.values[v].space == GIVEN) at[v] = reinterpret_cast<Real*>(params[p.values[v].index]) + p.values[v].offset;
  for (size_t k = 0; k < p.params.size(); ++k)
    if (p.given_later[k])
      std::memcpy(filled.given_at[k], reinterpret_cast<const Real*>(params[k]), p.params[k].size() * sizeof(Real));
  std::vector<int64_t> none(p.values.size());
  std::vector<uint8_t> flat(p.ops.size(), 1);
  Frame<Real> frame{};
  frame.program = &p, frame.kernels = &kernels_, frame.at = at.data();
  frame.step = frame.row = none.data(), frame.flat = flat.data();
  frame.steps = frame.rows = 1;
  frame.carry_out(p.sections[PROLOGUE]);
  pack(filled, at);
}

template <class Real>
void TypedWeights<Real>::pack(Filled<Real>& filled, const std::vector<Real*>& at) const {
  for (size_t k = 0; k < program_->packs.size(); ++k) {
    const Pack& source = program_->packs[k];
    const GemmShape& shape = shapes_[k];
    // to: [depth] numbers, `wide` apart
    auto column = [&](const Column& column, Real* to, int64_t wide) {
      for (int32_t segment = 0; segment < shape.n_seg; ++segment) {
        int64_t depth = source.seg_widths[segment], n_out = source.out_widths[column.out];
        const Pack::Block& block = source.blocks[column.out * size_t(shape.n_seg) + segment];
        int64_t along_n = block.transposed ? 1 : depth, along_k = block.transposed ? n_out : 1;
        const Real* from = at[block.value] + column.first * along_n;
        for (int64_t i = 0; i < depth; ++i, to += wide)
          for (int64_t l = 0; l < column.count; ++l) to[l] = from[l * along_n + i * along_k];
      }
    };
    Real* to = const_cast<Real*>(filled.packed[k]);
    for (const Panels& panels : shape.panels)
      for (int64_t panel = 0; panel < panels.n; ++panel, to += shape.depth * panels.width)
        for (int64_t v = 0; v < panels.vectors; ++v) {
          int64_t lanes = panels.width / panels.vectors, full = 0;
          Real* vector = to + v * lanes;
          for (const Column* c = panels.columns + panel * panels.vectors + v; c; c = c->next ? c + c->next : nullptr)
            column(*c, vector + c->lane, panels.width), full = c->lane + c->count;
          for (int64_t i = 0; i < shape.depth; ++i)
            std::fill(vector + i * panels.width + full, vector + i * panels.width + lanes, Real(0));
        }
  }
}

template class TypedWeights<float>;
template class TypedWeights<double>;

}  // namespace ostinato
