#include "dream3d/field_mlp.h"

#include <algorithm>
#include <memory>
#include <new>

#include "dream3d/api.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int kMaxHidden = 128;
constexpr int64_t kForwardPoints = 16 * kTilePoints;  // points per task

// Zeroed floats on a cache line of their own.
class AlignedFloats {
 public:
  explicit AlignedFloats(int64_t count)
      : data_(static_cast<float*>(::operator new (count * sizeof(float), std::align_val_t{64}))) {
    std::fill(data_, data_ + count, 0.0f);
  }
  ~AlignedFloats() { ::operator delete (data_, std::align_val_t{64}); }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;
  float* get() const { return data_; }

 private:
  float* data_;
};

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// The weights as the tile functions want them.
class PackedWeights {
 public:
  template <class Params>
  explicit PackedWeights(const Params& p)
      : hidden_(p.hidden),
        raw_inputs_(p.levels.num_levels * p.levels.features),
        inputs_(round_up(raw_inputs_, kUnits)),
        outputs_(p.outputs <= 4 ? 4 : 8),
        floats_(2 * hidden_ * inputs_ + hidden_ + hidden_ * outputs_ + outputs_) {
    float* w1 = floats_.get();
    float* w1_t = w1 + hidden_ * inputs_;
    float* b1 = w1_t + hidden_ * inputs_;
    float* w2 = b1 + hidden_;
    float* b2 = w2 + hidden_ * outputs_;
    for (int h = 0; h < hidden_; ++h) {
      for (int d = 0; d < raw_inputs_; ++d) {
        const float weight = p.w1[h * raw_inputs_ + d];
        w1[((h / kUnits) * inputs_ + d) * kUnits + h % kUnits] = weight;
        w1_t[((d / kUnits) * hidden_ + h) * kUnits + d % kUnits] = weight;
      }
      for (int k = 0; k < p.outputs; ++k) w2[h * outputs_ + k] = p.w2[k * hidden_ + h];
    }
    std::copy(p.b1, p.b1 + hidden_, b1);
    std::copy(p.b2, p.b2 + p.outputs, b2);
    view_ = {hidden_, inputs_, outputs_, w1, w1_t, b1, w2, b2};
  }

  const MlpWeights& view() const { return view_; }

 private:
  int hidden_, raw_inputs_, inputs_, outputs_;
  AlignedFloats floats_;
  MlpWeights view_;
};

template <class L, int F, class Params>
inline void encode_levels(const Params& p, const PointTile& tile, float* features) {
  for (int l = 0; l < p.levels.num_levels; ++l) {
    encode_tile<L, F>(tile, hash_grid_level(p.levels, l), p.table, features + l * F * kTilePoints,
                      kTilePoints);
  }
}

template <int F, int O>
struct ForwardChunk {
  const D3dFieldMlpParams& p;
  const MlpWeights& net;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    const AlignedFloats features(net.inputs * kTilePoints);
    alignas(64) float output[O * kTilePoints];
    PointTile tile;
    for (int64_t first = begin; first < end; first += kTilePoints) {
      tile.load(p.points, first, std::min<int64_t>(first + kTilePoints, end));
      encode_levels<L, F>(p, tile, features.get());
      mlp_forward<L, O>(net, features.get(), tile.count, output);
      for (int i = 0; i < tile.count; ++i) {
        for (int k = 0; k < p.outputs; ++k)
          p.output[(first + i) * p.outputs + k] = output[k * kTilePoints + i];
      }
    }
  }
};

// One shard of points: gradients to the encoding, and this shard's share of the gradients to the weights.
template <int F, int O>
struct BackwardShard {
  const D3dFieldMlpBackwardParams& p;
  const MlpWeights& net;
  int64_t chunk_begin, chunk_points;  // grad_encoded holds these points
  int64_t begin, end;

  template <class L>
  inline void run() const {
    constexpr int W = L::kWidth;
    const int h = net.hidden, d = net.inputs;
    const AlignedFloats features(d * kTilePoints), hidden(h * kTilePoints);
    const AlignedFloats sums((h * d + h + h * O + O) * W);
    const MlpGradients grad{sums.get(), sums.get() + h * d * W, sums.get() + (h * d + h) * W,
                            sums.get() + (h * d + h + h * O) * W};
    alignas(64) float grad_output[O * kTilePoints];
    PointTile tile;
    for (int64_t first = begin; first < end; first += kTilePoints) {
      tile.load(p.points, first, std::min<int64_t>(first + kTilePoints, end));
      load_grad_output(tile, first, grad_output);
      encode_levels<L, F>(p, tile, features.get());
      mlp_output_vjp<L, O>(net, features.get(), tile.count, grad_output, hidden.get(), grad);
      mlp_input_weight_vjp<L>(net, features.get(), tile.count, hidden.get(), grad);
      mlp_input_vjp<L>(net, tile.count, hidden.get(), features.get());
      store_grad_encoded(tile, first, features.get());
      if (p.grad_points != nullptr) store_grad_points<L>(tile, first, features.get());
    }
    store_sums<W>(grad);
  }

  // Zero in the lanes behind the last point, so that they add nothing to any sum.
  inline void load_grad_output(const PointTile& tile, int64_t first, float* grad_output) const {
    std::fill(grad_output, grad_output + O * kTilePoints, 0.0f);
    for (int i = 0; i < tile.count; ++i) {
      for (int k = 0; k < p.outputs; ++k) {
        grad_output[k * kTilePoints + i] = p.grad_output[(first + i) * p.outputs + k];
      }
    }
  }

  inline void store_grad_encoded(const PointTile& tile, int64_t first, const float* grad_features) const {
    for (int l = 0; l < p.levels.num_levels; ++l) {
      float* encoded = p.grad_encoded + (l * chunk_points + first - chunk_begin) * F;
      const float* row = grad_features + l * F * kTilePoints;
      for (int i = 0; i < tile.count; ++i) {
        for (int f = 0; f < F; ++f) encoded[i * F + f] = row[f * kTilePoints + i];
      }
    }
  }

  template <class L>
  inline void store_grad_points(const PointTile& tile, int64_t first, const float* grad_features) const {
    for (int i = 0; i < tile.count; i += L::kWidth) {
      typename L::Float point[3], grad_point[3] = {};
      tile.template lanes<L>(i, point);
      for (int l = 0; l < p.levels.num_levels; ++l) {
        const HashGridLevel level = hash_grid_level(p.levels, l);
        typename L::Float upstream[F];
        for (int f = 0; f < F; ++f)
          upstream[f] = load_lanes<L>(grad_features + (l * F + f) * kTilePoints + i);
        const GatherRows<L, F> gather{p.table + level.offset * F};
        hash_grid_point_vjp<L, F>(point, level, gather, upstream, grad_point);
      }
      for (int lane = 0; lane < std::min(L::kWidth, tile.count - i); ++lane) {
        for (int a = 0; a < 3; ++a) p.grad_points[3 * (first + i + lane) + a] = grad_point[a][lane];
      }
    }
  }

  template <int W>
  inline void store_sums(const MlpGradients& grad) const {
    const auto total = [](const float* lanes) {
      float sum = 0.0f;
      for (int lane = 0; lane < W; ++lane) sum += lanes[lane];
      return sum;
    };
    const int inputs = p.levels.num_levels * F;
    float* out =
        p.shards + (begin / D3D_FIELD_SHARD_POINTS) * (p.hidden * (inputs + 1 + p.outputs) + p.outputs);
    for (int h = 0; h < p.hidden; ++h) {
      for (int d = 0; d < inputs; ++d) *out++ = total(grad.w1 + (h * net.inputs + d) * W);
    }
    for (int h = 0; h < p.hidden; ++h) *out++ = total(grad.b1 + h * W);
    for (int k = 0; k < p.outputs; ++k) {
      for (int h = 0; h < p.hidden; ++h) *out++ = total(grad.w2 + (h * O + k) * W);
    }
    for (int k = 0; k < p.outputs; ++k) *out++ = total(grad.b2 + k * W);
  }
};

template <int F>
struct ScatterChunk {
  const D3dFieldMlpBackwardParams& p;
  const TableOwners& owners;
  int owner;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    PointTile tile;
    for (int64_t first = begin; first < end; first += kTilePoints) {
      tile.load(p.points, first, std::min<int64_t>(first + kTilePoints, end));
      owners.for_each(owner, p.levels, [&](const HashGridLevel& level, int l, uint32_t low, uint32_t high) {
        const float* grad = p.grad_encoded + (l * (end - begin) + first - begin) * F;
        scatter_tile<L, F>(tile, level, grad, F, low, high, p.grad_table);
      });
    }
  }
};

template <int F, int O>
void forward(const D3dFieldMlpParams& p, int n_threads) {
  const PackedWeights weights(p);
  const InstructionSet instructions = instruction_set();
  parallel_for_chunks(p.num_points, kForwardPoints, n_threads, [&](int64_t begin, int64_t end) {
    run_lanes(instructions, ForwardChunk<F, O>{p, weights.view(), begin, end});
  });
}

template <int F>
void zero_table(const D3dFieldMlpBackwardParams& p, int n_threads) {
  parallel_for_chunks(
      p.levels.offsets[p.levels.num_levels], 1 << 16, n_threads,
      [&](int64_t begin, int64_t end) { std::fill(p.grad_table + begin * F, p.grad_table + end * F, 0.0f); });
}

void sum_shards(const D3dFieldMlpBackwardParams& p) {
  const int inputs = p.levels.num_levels * p.levels.features;
  const int64_t size = p.hidden * (inputs + 1 + p.outputs) + p.outputs;
  std::fill(p.grad_weights, p.grad_weights + size, 0.0f);
  for (int64_t begin = 0, at = 0; begin < p.num_points; begin += D3D_FIELD_SHARD_POINTS, at += size) {
    for (int64_t i = 0; i < size; ++i) p.grad_weights[i] += p.shards[at + i];
  }
}

// Points are processed in chunks, so that the gradient of the encoding stays in the cache between the pass over the
// network (shards of points) and the pass over the table (owners of rows). Neither depends on the number of threads.
template <int F, int O>
void backward(const D3dFieldMlpBackwardParams& p, int n_threads) {
  const PackedWeights weights(p);
  const InstructionSet instructions = instruction_set();
  const TableOwners owners(p.levels.num_levels, n_threads);
  if (p.grad_table != nullptr) zero_table<F>(p, n_threads);
  for (int64_t chunk = 0; chunk < p.num_points; chunk += D3D_FIELD_CHUNK_POINTS) {
    const int64_t end = std::min<int64_t>(chunk + D3D_FIELD_CHUNK_POINTS, p.num_points);
    parallel_for_chunks(end - chunk, D3D_FIELD_SHARD_POINTS, n_threads, [&](int64_t first, int64_t last) {
      run_lanes(instructions,
                BackwardShard<F, O>{p, weights.view(), chunk, end - chunk, chunk + first, chunk + last});
    });
    if (p.grad_table == nullptr) continue;
    parallel_for(owners.count, n_threads, [&](int64_t owner) {
      run_lanes(instructions, ScatterChunk<F>{p, owners, static_cast<int>(owner), chunk, end});
    });
  }
  sum_shards(p);
}

template <class Params>
void check_network(const Params& p) {
  check_levels(p.levels);
  require(p.hidden >= kUnits && p.hidden <= kMaxHidden && p.hidden % kUnits == 0,
          "the hidden layer must have 8 to 128 units, a multiple of 8");
  require(p.outputs >= 1 && p.outputs <= 8, "the network must have 1 to 8 outputs");
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_field_mlp(const D3dFieldMlpParams* params, size_t params_size,
                                 const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dFieldMlpParams& p) {
    check_network(p);
    with_features(p.levels.features, [&](auto f) {
      p.outputs <= 4 ? forward<f, 4>(p, launch->n_threads) : forward<f, 8>(p, launch->n_threads);
    });
  });
}

extern "C" int32_t d3d_field_mlp_backward(const D3dFieldMlpBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dFieldMlpBackwardParams& p) {
    check_network(p);
    with_features(p.levels.features, [&](auto f) {
      p.outputs <= 4 ? backward<f, 4>(p, launch->n_threads) : backward<f, 8>(p, launch->n_threads);
    });
  });
}
