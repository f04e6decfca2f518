// Hand-computed encodings. A grid of one cell has its eight vertices in rows 0 to 7, x fastest.
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

struct Grid {
  D3dHashGridLevels levels = {};
  std::vector<float> table;

  Grid(int features, const std::vector<int32_t>& resolutions, const std::vector<int64_t>& rows) {
    levels.num_levels = static_cast<int32_t>(resolutions.size());
    levels.features = features;
    for (size_t l = 0; l < resolutions.size(); ++l) {
      levels.resolutions[l] = resolutions[l];
      levels.offsets[l + 1] = levels.offsets[l] + rows[l];
    }
    table.assign(static_cast<size_t>(levels.offsets[levels.num_levels] * features), 0.0f);
  }

  size_t width() const { return static_cast<size_t>(levels.num_levels * levels.features); }
};

int32_t status;

std::vector<float> encode(const Grid& grid, const std::vector<float>& points, int n_threads = 1) {
  std::vector<float> encoded(points.size() / 3 * grid.width(), -7.0f);
  const D3dHashGridParams params = {points.data(), grid.table.data(), encoded.data(),
                                    static_cast<int64_t>(points.size() / 3), grid.levels};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  status = d3d_hash_grid(&params, sizeof(params), &launch);
  return encoded;
}

struct Gradients {
  std::vector<float> table, points;
};

Gradients gradients(const Grid& grid, const std::vector<float>& points, const std::vector<float>& upstream,
                    int n_threads = 1) {
  Gradients grad = {std::vector<float>(grid.table.size(), -7.0f), std::vector<float>(points.size(), -7.0f)};
  const D3dHashGridBackwardParams params = {points.data(),      grid.table.data(),
                                            upstream.data(),    grad.table.data(),
                                            grad.points.data(), static_cast<int64_t>(points.size() / 3),
                                            grid.levels};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  status = d3d_hash_grid_backward(&params, sizeof(params), &launch);
  return grad;
}

void vertices_and_center_of_one_cell() {
  Grid grid(1, {1}, {8});
  for (int row = 0; row < 8; ++row) grid.table[row] = static_cast<float>(row * row);
  std::vector<float> points;
  for (int row = 0; row < 8; ++row) {
    for (int axis = 0; axis < 3; ++axis) points.push_back(static_cast<float>((row >> axis) & 1));
  }
  points.insert(points.end(), {0.5f, 0.5f, 0.5f, 0.25f, 0.0f, 0.0f, -0.0f, 2.0f, -3.0f});
  const std::vector<float> encoded = encode(grid, points);
  CHECK(status == D3D_OK);
  for (int row = 0; row < 8; ++row) CHECK(encoded[row] == static_cast<float>(row * row));
  CHECK(encoded[8] == 140.0f / 8.0f);
  CHECK(encoded[9] == 0.25f);
  CHECK(encoded[10] == 4.0f);  // clamped to (0, 1, 0)
}

void features_and_levels_are_in_order() {
  Grid grid(2, {1, 2}, {8, 32});
  grid.table[2 * 7] = 3.0f;             // level 0, vertex (1, 1, 1)
  grid.table[2 * (8 + 26) + 1] = 5.0f;  // level 1, vertex (2, 2, 2) of 3 x 3 x 3
  const std::vector<float> encoded = encode(grid, {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 0.75f});
  CHECK((encoded == std::vector<float>{3.0f, 0.0f, 0.0f, 5.0f, 2.25f, 0.0f, 0.0f, 2.5f}));
}

void hashed_rows() {
  Grid grid(1, {50}, {64});
  const uint32_t row = (3u ^ (17u * 2654435761u) ^ (50u * 805459861u)) & 63u;
  grid.table[row] = 2.0f;
  CHECK_NEAR(encode(grid, {3.0f / 50.0f, 17.0f / 50.0f, 1.0f})[0], 2.0f, 1e-4f);
}

void gradients_of_one_cell() {
  Grid grid(2, {1}, {8});
  for (int row = 0; row < 8; ++row) grid.table[2 * row] = static_cast<float>(row);  // x + 2 y + 4 z
  const Gradients grad = gradients(grid, {0.5f, 0.5f, 0.5f, 1.0f, 0.0f, 0.0f, 0.5f, -1.0f, 0.0f},
                                   {8.0f, 0.0f, 1.0f, 3.0f, 0.0f, 0.0f});
  CHECK(status == D3D_OK);
  for (int row = 0; row < 8; ++row) CHECK(grad.table[2 * row] == (row == 1 ? 2.0f : 1.0f));
  for (int row = 0; row < 8; ++row) CHECK(grad.table[2 * row + 1] == (row == 1 ? 3.0f : 0.0f));
  CHECK((std::vector<float>(grad.points.begin(), grad.points.begin() + 6) ==
         std::vector<float>{8.0f, 16.0f, 32.0f, 1.0f, 2.0f, 4.0f}));
}

void clamped_axes_have_no_gradient() {
  Grid grid(1, {1}, {8});
  for (int row = 0; row < 8; ++row) grid.table[row] = static_cast<float>(row);
  const Gradients grad = gradients(grid, {0.5f, -0.1f, 1.1f}, {1.0f});
  CHECK((grad.points == std::vector<float>{1.0f, 0.0f, 0.0f}));
}

void not_a_number_stays_in_range() {
  Grid grid(2, {1, 50}, {8, 64});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> points = {nan, nan, nan, 0.5f, nan, 0.5f, inf, -inf, inf, 0.5f, 0.5f, 0.5f};
  const std::vector<float> encoded = encode(grid, points);
  for (int i = 0; i < 8; ++i) CHECK(std::isnan(encoded[i]));
  for (int i = 8; i < 16; ++i) CHECK(encoded[i] == 0.0f);
  gradients(grid, points, std::vector<float>(16, 1.0f));
  CHECK(status == D3D_OK);
}

void many_points_and_threads() {
  Grid grid(2, {3, 7, 40}, {64, 512, 1024});
  for (size_t i = 0; i < grid.table.size(); ++i) grid.table[i] = std::sin(static_cast<float>(i));
  std::vector<float> points, upstream;
  for (int i = 0; i < 3 * 1027; ++i) points.push_back(std::fmod(static_cast<float>(i) * 0.618034f, 1.0f));
  for (int i = 0; i < 6 * 1027; ++i) upstream.push_back(std::cos(static_cast<float>(i)));
  const std::vector<float> encoded = encode(grid, points);
  const Gradients grad = gradients(grid, points, upstream);
  // the encoding is linear in the table: <upstream, encoded> = <gradient, table>
  double left = 0.0, right = 0.0;
  for (size_t i = 0; i < encoded.size(); ++i) left += static_cast<double>(encoded[i]) * upstream[i];
  for (size_t i = 0; i < grid.table.size(); ++i) right += static_cast<double>(grid.table[i]) * grad.table[i];
  CHECK_NEAR(left, right, 1e-3);
  for (int n_threads : {2, 3, 5, 16}) {
    CHECK(encode(grid, points, n_threads) == encoded);
    CHECK(gradients(grid, points, upstream, n_threads).table == grad.table);
  }
}

void bad_layouts_are_refused() {
  Grid grid(2, {50}, {65});  // hashed, not a power of two
  encode(grid, {0.5f, 0.5f, 0.5f});
  CHECK(status == D3D_INVALID_ARGUMENT);
  CHECK(std::string(d3d_last_error()).find("power of two") != std::string::npos);
  grid = Grid(3, {1}, {8});
  encode(grid, {0.5f, 0.5f, 0.5f});
  CHECK(status == D3D_INVALID_ARGUMENT);
  const D3dLaunch launch = {nullptr, 0, 1};
  const D3dHashGridParams params = {};
  CHECK(d3d_hash_grid(&params, sizeof(params) - 8, &launch) == D3D_ABI_MISMATCH);
}

void no_points() {
  const Grid grid(2, {1}, {8});
  encode(grid, {});
  CHECK(status == D3D_OK);
  const Gradients grad = gradients(grid, {}, {});
  CHECK(grad.table == std::vector<float>(16, 0.0f));
}

}  // namespace

int main() {
  RUN(vertices_and_center_of_one_cell);
  RUN(features_and_levels_are_in_order);
  RUN(hashed_rows);
  RUN(gradients_of_one_cell);
  RUN(clamped_axes_have_no_gradient);
  RUN(not_a_number_stays_in_range);
  RUN(many_points_and_threads);
  RUN(bad_layouts_are_refused);
  RUN(no_points);
  return EXIT_STATUS;
}
