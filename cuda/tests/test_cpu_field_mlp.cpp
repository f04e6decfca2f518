// The fused field against plain loops in double precision, and every instruction set of this machine against the others.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "dream3d/hash_grid_lanes.h"
#include "noise.h"

using namespace dream3d;

namespace {

struct Field {
  int hidden, outputs;
  D3dHashGridLevels levels = {};
  std::vector<float> points, table, w1, b1, w2, b2;

  Field(int features, int num_levels, int hidden_, int outputs_, int num_points)
      : hidden(hidden_), outputs(outputs_) {
    levels.num_levels = num_levels;
    levels.features = features;
    for (int l = 0; l < num_levels; ++l) {
      levels.resolutions[l] = 2 + 3 * l;
      const int64_t vertices = int64_t{3 + 3 * l} * (3 + 3 * l) * (3 + 3 * l);
      levels.offsets[l + 1] = levels.offsets[l] + std::min<int64_t>((vertices + 7) / 8 * 8, 256);
    }
    Noise noise = {static_cast<uint32_t>(hidden + outputs)};
    points = noise.many(static_cast<size_t>(3 * num_points));
    for (float& x : points) x = 0.5f + 0.5f * x;
    table = noise.many(static_cast<size_t>(levels.offsets[num_levels] * features));
    w1 = noise.many(static_cast<size_t>(hidden * inputs()));
    b1 = noise.many(static_cast<size_t>(hidden));
    w2 = noise.many(static_cast<size_t>(outputs * hidden));
    b2 = noise.many(static_cast<size_t>(outputs));
  }

  int inputs() const { return levels.num_levels * levels.features; }
  int64_t num_points() const { return static_cast<int64_t>(points.size() / 3); }
  size_t num_weights() const { return w1.size() + b1.size() + w2.size() + b2.size(); }
};

std::vector<float> forward(const Field& field, int n_threads = 1) {
  std::vector<float> output(static_cast<size_t>(field.num_points() * field.outputs), -7.0f);
  const D3dFieldMlpParams params = {field.points.data(), field.table.data(), field.w1.data(),
                                    field.b1.data(),     field.w2.data(),    field.b2.data(),
                                    output.data(),       field.num_points(), field.hidden,
                                    field.outputs,       field.levels};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  CHECK(d3d_field_mlp(&params, sizeof(params), &launch) == D3D_OK);
  return output;
}

struct Gradients {
  std::vector<float> table, weights, points;
};

Gradients backward(const Field& field, const std::vector<float>& upstream, int n_threads = 1) {
  const int64_t n = field.num_points();
  const int64_t shards = (n + D3D_FIELD_SHARD_POINTS - 1) / D3D_FIELD_SHARD_POINTS;
  Gradients grad = {std::vector<float>(field.table.size(), -7.0f),
                    std::vector<float>(field.num_weights(), -7.0f),
                    std::vector<float>(field.points.size(), -7.0f)};
  std::vector<float> encoded(
      static_cast<size_t>(std::min<int64_t>(n, D3D_FIELD_CHUNK_POINTS) * field.inputs()));
  std::vector<float> workspace(static_cast<size_t>(shards) * field.num_weights());
  const D3dFieldMlpBackwardParams params = {field.points.data(),
                                            field.table.data(),
                                            field.w1.data(),
                                            field.b1.data(),
                                            field.w2.data(),
                                            field.b2.data(),
                                            upstream.data(),
                                            grad.table.data(),
                                            grad.weights.data(),
                                            grad.points.data(),
                                            encoded.data(),
                                            workspace.data(),
                                            n,
                                            field.hidden,
                                            field.outputs,
                                            field.levels};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  CHECK(d3d_field_mlp_backward(&params, sizeof(params), &launch) == D3D_OK);
  return grad;
}

// sum of output * upstream for other parameters, in double, one point at a time
double objective(const Field& field, const std::vector<float>& upstream) {
  double total = 0.0;
  for (int64_t i = 0; i < field.num_points(); ++i) {
    std::vector<double> x;
    for (int l = 0; l < field.levels.num_levels; ++l) {
      const HashGridLevel level = hash_grid_level(field.levels, l);
      const HashGridCell<OneLane> cell = hash_grid_cell<OneLane>(&field.points[3 * i], level.resolution);
      uint32_t rows[8];
      hash_grid_rows<OneLane>(level, cell, rows);
      for (int f = 0; f < field.levels.features; ++f) {
        double sum = 0.0;
        for (int corner = 0; corner < 8; ++corner) {
          const auto at = static_cast<size_t>((level.offset + rows[corner]) * field.levels.features + f);
          sum += static_cast<double>(hash_grid_weight<OneLane>(cell, corner)) * field.table[at];
        }
        x.push_back(sum);
      }
    }
    std::vector<double> out(field.b2.begin(), field.b2.end());
    for (int h = 0; h < field.hidden; ++h) {
      double unit = field.b1[h];
      for (int d = 0; d < field.inputs(); ++d) unit += x[d] * field.w1[h * field.inputs() + d];
      unit = std::max(unit, 0.0);
      for (int k = 0; k < field.outputs; ++k) out[k] += unit * field.w2[k * field.hidden + h];
    }
    for (int k = 0; k < field.outputs; ++k) total += out[k] * upstream[i * field.outputs + k];
  }
  return total;
}

// The derivative along a random direction of one parameter, by central differences.
void check_derivative(Field& field, std::vector<float> Field::*parameter, const float* gradient,
                      const std::vector<float>& upstream) {
  std::vector<float>& values = field.*parameter;
  const std::vector<float> saved = values;
  const std::vector<float> direction = Noise{77}.many(values.size());
  const float epsilon = 1.0f / 4096.0f;
  double expected = 0.0, scale = 0.0, sides[2];
  for (size_t i = 0; i < values.size(); ++i) {
    expected += static_cast<double>(gradient[i]) * direction[i];
    scale += std::abs(static_cast<double>(gradient[i]));
  }
  for (int side = 0; side < 2; ++side) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = saved[i] + (side == 0 ? -epsilon : epsilon) * direction[i];
    sides[side] = objective(field, upstream);
  }
  values = saved;
  CHECK_NEAR((sides[1] - sides[0]) / (2.0 * epsilon), expected, 2e-3 * scale);
}

void values_and_derivatives() {
  struct Case {
    int features, num_levels, hidden, outputs, num_points;
  };
  for (const Case& c :
       {Case{2, 8, 32, 4, 37}, Case{1, 3, 8, 1, 300}, Case{4, 2, 64, 3, 16}, Case{8, 1, 128, 8, 5}}) {
    Field field(c.features, c.num_levels, c.hidden, c.outputs, c.num_points);
    const std::vector<float> upstream = Noise{5}.many(static_cast<size_t>(c.num_points * c.outputs));
    const std::vector<float> output = forward(field);
    double total = 0.0;
    for (size_t i = 0; i < output.size(); ++i) total += static_cast<double>(output[i]) * upstream[i];
    CHECK_NEAR(total, objective(field, upstream), 1e-4 * static_cast<double>(output.size()));
    const Gradients grad = backward(field, upstream);
    const float* weights = grad.weights.data();
    check_derivative(field, &Field::table, grad.table.data(), upstream);
    check_derivative(field, &Field::w1, weights, upstream);
    check_derivative(field, &Field::b1, weights + field.w1.size(), upstream);
    check_derivative(field, &Field::w2, weights + field.w1.size() + field.b1.size(), upstream);
    check_derivative(field, &Field::b2, weights + field.num_weights() - field.b2.size(), upstream);
  }
}

void same_bits_for_any_number_of_threads() {
  const Field field(2, 3, 16, 4, 2 * D3D_FIELD_SHARD_POINTS + 19);
  const std::vector<float> upstream = Noise{5}.many(static_cast<size_t>(field.num_points() * 4));
  const std::vector<float> output = forward(field);
  const Gradients one = backward(field, upstream);
  for (int n_threads : {2, 3, 8}) {
    CHECK(forward(field, n_threads) == output);
    const Gradients many = backward(field, upstream, n_threads);
    CHECK(many.table == one.table && many.weights == one.weights && many.points == one.points);
  }
}

void impossible_sizes_are_refused() {
  const D3dLaunch launch = {nullptr, 0, 1};
  D3dFieldMlpParams params = {};
  params.levels = Field(2, 1, 8, 1, 1).levels;
  for (const auto& [hidden, outputs] : {std::pair<int, int>{12, 4}, {0, 4}, {136, 4}, {32, 0}, {32, 9}}) {
    params.hidden = hidden;
    params.outputs = outputs;
    CHECK(d3d_field_mlp(&params, sizeof(params), &launch) == D3D_INVALID_ARGUMENT);
  }
}

template <int F>
struct EncodeTile {
  const Field& field;
  const PointTile& tile;
  std::vector<float>& features;

  template <class L>
  inline void run() const {
    for (int l = 0; l < field.levels.num_levels; ++l) {
      encode_tile<L, F>(tile, hash_grid_level(field.levels, l), field.table.data(),
                        &features[l * F * kTilePoints], kTilePoints);
    }
  }
};

template <int F>
void encode_with_every_instruction_set() {
  const Field field(F, 4, 8, 1, 201);
  PointTile tile;
  tile.load(field.points.data(), 0, 201);
  std::vector<std::vector<float>> results;
  for (int wanted = 0; wanted <= static_cast<int>(instruction_set()); ++wanted) {
    std::vector<float> features(4 * F * kTilePoints);
    run_lanes(static_cast<InstructionSet>(wanted), EncodeTile<F>{field, tile, features});
    for (int row = 0; row < 4 * F; ++row) {
      std::fill(&features[row * kTilePoints + 201], &features[row * kTilePoints] + kTilePoints, 0.0f);
    }
    results.push_back(features);
  }
  for (const std::vector<float>& features : results) CHECK(features == results[0]);
}

void every_instruction_set_gives_the_same_bits() {
  encode_with_every_instruction_set<1>();
  encode_with_every_instruction_set<2>();
  encode_with_every_instruction_set<4>();
  encode_with_every_instruction_set<8>();
}

}  // namespace

int main() {
  RUN(values_and_derivatives);
  RUN(same_bits_for_any_number_of_threads);
  RUN(impossible_sizes_are_refused);
  RUN(every_instruction_set_gives_the_same_bits);
  return EXIT_STATUS;
}
