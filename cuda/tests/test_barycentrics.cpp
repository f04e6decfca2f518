// The derivatives of barycentrics: hand-computed for a triangle over the 4 x 4 image whose top left corner is at
// (-1, 1), and against finite differences for triangles around and behind the camera.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "dream3d/barycentrics.h"

using namespace dream3d;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const std::vector<float> kCorners = {-1, 1, 0,  1,  1, 1,
                                     0,  1, -1, -1, 0, 1};  // top left, top right, bottom left
const std::vector<int32_t> kFace = {0, 1, 2};

struct Scene {
  std::vector<float> positions;
  std::vector<int32_t> faces, ids;
  int64_t height, width, num_views = 1;

  int64_t num_vertices() const { return static_cast<int64_t>(positions.size()) / 4 / num_views; }
  int64_t num_triangles() const { return static_cast<int64_t>(faces.size()) / 3; }
};

std::vector<float> derivatives(const Scene& scene) {
  std::vector<float> out(4 * scene.ids.size(), -7.0f);
  const D3dScreenDerivativesParams params = {
      scene.positions.data(), scene.faces.data(),    scene.ids.data(), out.data(), scene.num_views,
      scene.num_vertices(),   scene.num_triangles(), scene.height,     scene.width};
  const D3dLaunch launch = {nullptr, 0, 2};
  CHECK(d3d_screen_derivatives(&params, sizeof(params), &launch) == D3D_OK);
  return out;
}

// An empty gradient is null.
std::vector<float> backward(const Scene& scene, const std::vector<float>& v_barycentrics,
                            const std::vector<float>& v_derivatives, int n_threads = 2) {
  std::vector<float> out(scene.positions.size(), -7.0f);
  const D3dBarycentricsBackwardParams params = {scene.positions.data(),
                                                scene.faces.data(),
                                                scene.ids.data(),
                                                v_barycentrics.empty() ? nullptr : v_barycentrics.data(),
                                                v_derivatives.empty() ? nullptr : v_derivatives.data(),
                                                out.data(),
                                                scene.num_views,
                                                scene.num_vertices(),
                                                scene.num_triangles(),
                                                scene.height,
                                                scene.width};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  CHECK(d3d_barycentrics_backward(&params, sizeof(params), &launch) == D3D_OK);
  return out;
}

struct Random {  // a 64-bit linear congruential generator (Knuth)
  uint64_t state = 1;
  double uniform(double low, double high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * static_cast<double>(state >> 11) / 9007199254740992.0;
  }
};

void derivatives_without_perspective() {
  // u = 1 - (x + y) / 4 and v = x / 4 in pixels from the top left corner
  const Scene scene = {kCorners, kFace, {0, -1, 0, -1, -1, -1, -1, -1}, 2, 4};
  const std::vector<float> out = derivatives(scene);
  const std::vector<float> slopes = {-0.25f, -0.5f, 0.25f, 0.0f};  // two rows: twice as steep downwards
  for (int pixel = 0; pixel < 8; ++pixel) {
    for (int i = 0; i < 4; ++i) CHECK(out[4 * pixel + i] == (scene.ids[pixel] == 0 ? slopes[i] : 0.0f));
  }
}

void derivatives_with_perspective() {
  // One pixel; along x the edge from w = 1 to w = 3. With s = (1 + X) / 2: weights (1 - s) : s / 3, so
  // u = (3 - 3 s) / (3 - 2 s), du/ds = -3 / (3 - 2 s)^2 = -3/4 at s = 1/2, and s changes by 1 per pixel.
  const Scene scene = {{-1, 0, 0, 1, 3, 0, 0, 3, 0, -100, 0, 1}, kFace, {0}, 1, 1};
  const std::vector<float> out = derivatives(scene);
  CHECK_NEAR(out[0], -0.75f, 1e-6f);
  CHECK_NEAR(out[2], 0.75f, 1e-6f);
}

void gradient_of_one_pixel() {
  // Weights (3/4, 1/8, 1/8); v = (X + 1) / 2, so its row is (1/2, 0, 1/2), and the rows add up to (0, 0, 1). The
  // gradient of v to vertex i is -weight_i ((1/2, 0, 1/2) - v (0, 0, 1)) = -weight_i (1/2, 0, 3/8).
  Scene scene = {kCorners, kFace, std::vector<int32_t>(16, -1), 4, 4};
  scene.ids[0] = 0;
  std::vector<float> upstream(32, 1000.0f);
  upstream[0] = 0.0f, upstream[1] = 1.0f;
  const std::vector<float> expected = {-0.375f, 0,          0,        -0.28125f, -0.0625f, 0,
                                       0,       -0.046875f, -0.0625f, 0,         0,        -0.046875f};
  CHECK(backward(scene, upstream, {}) == expected);
  // the same pixel seen by both views
  Scene two = {kCorners, kFace, scene.ids, 4, 4, 2};
  two.positions.insert(two.positions.end(), kCorners.begin(), kCorners.end());
  two.ids.insert(two.ids.end(), scene.ids.begin(), scene.ids.end());
  std::vector<float> both = upstream, twice = expected;
  both.insert(both.end(), upstream.begin(), upstream.end());
  both[33] = -2.0f;
  for (float value : expected) twice.push_back(-2.0f * value);
  CHECK(backward(two, both, {}) == twice);
}

// One triangle fills both views, which differ in their positions: what all pixels give at once is what they give one
// by one.
void a_triangle_over_rows_and_views() {
  Scene scene = {{-3, 3, 0, 1, 5, 3, 0, 2, -1, -5, 0, 1, -4, 4, 0, 2, 3, 2, 0, 1, -1, -7, 0, 1},
                 kFace,
                 std::vector<int32_t>(12, 0),
                 2,
                 3,
                 2};
  const std::vector<float> upstream = {1,  2, -3, 4,  5, -6, 7, 8,  -9, 1, 2,  3,
                                       -4, 5, 6,  -7, 8, 9,  1, -2, 3,  4, -5, 6};
  const std::vector<float> together = backward(scene, upstream, {});
  std::vector<float> sum(24, 0.0f);
  for (int pixel = 0; pixel < 12; ++pixel) {
    std::fill(scene.ids.begin(), scene.ids.end(), -1);
    scene.ids[pixel] = 0;
    const std::vector<float> alone = backward(scene, upstream, {});
    for (int i = 0; i < 24; ++i) {
      CHECK(i / 12 == pixel / 6 || alone[i] == 0.0f);
      sum[i] += alone[i];
    }
  }
  for (int i = 0; i < 24; ++i) CHECK_NEAR(together[i], sum[i], 1e-5f);
  CHECK(std::abs(together[0]) > 0.1f && std::abs(together[12]) > 0.1f);
}

// A row of any length gives what its pixels do, each for itself, by the scalar formula.
void rows_of_any_length() {
  Random random;
  const ClipVertex vertices[3] = {{-3, 2, 0, 1}, {4, 2, 0, 2}, {0, -3, 0, 1}};
  Double3 rows[3];
  CHECK(invert_planes(make_barycentric_planes(vertices), rows));
  for (int64_t width = 1; width <= 13; ++width) {
    const Scene scene = {
        {-3, 2, 0, 1, 4, 2, 0, 2, 0, -3, 0, 1}, kFace, std::vector<int32_t>(width, 0), 1, width};
    std::vector<float> upstream;
    Double3 sum[3] = {};
    for (int64_t x = 0; x < width; ++x) {
      for (int i = 0; i < 2; ++i) upstream.push_back(static_cast<float>(random.uniform(-1.0, 1.0)));
      PixelWeights<double> pixel;
      CHECK(weigh_pixel(rows, static_cast<double>(x), 0.0, static_cast<double>(width), 1.0, pixel));
      barycentrics_vjp(rows, pixel, upstream.data() + 2 * x, sum);
    }
    const std::vector<float> out = backward(scene, upstream, {});
    for (int i = 0; i < 3; ++i) {
      const double expected[4] = {sum[i].x, sum[i].y, 0.0, sum[i].z};
      for (int k = 0; k < 4; ++k) CHECK_NEAR(out[4 * i + k], expected[k], 1e-6f);
    }
  }
}

// Weights and screen derivatives in double precision.
bool evaluate(const double xyw[9], double px, double py, double out[6], double raw[3]) {
  ClipVertex v[3];
  for (int i = 0; i < 3; ++i) v[i] = {xyw[3 * i], xyw[3 * i + 1], 0.0, xyw[3 * i + 2]};
  Double3 rows[3];
  PixelWeights<double> pixel;
  if (!invert_planes(make_barycentric_planes(v), rows) || !weigh_pixel(rows, px, py, 9.0, 5.0, pixel))
    return false;
  const Double3 sum = sum_of_rows(rows);
  for (int k = 0; k < 2; ++k) {
    out[k] = pixel.weight[k];
    out[2 + 2 * k] = (rows[k].x - pixel.weight[k] * sum.x) / pixel.total * pixel.scale_x;
    out[3 + 2 * k] = (rows[k].y - pixel.weight[k] * sum.y) / pixel.total * pixel.scale_y;
  }
  for (int i = 0; i < 3; ++i) raw[i] = pixel.raw[i] / pixel.total;
  return true;
}

void vjp_equals_finite_differences() {
  Random random;
  int clamped = 0, crossing = 0, inside = 0;
  while (inside < 300 || clamped < 300) {
    double xyw[9], out[6], raw[3];
    for (int i = 0; i < 9; ++i) xyw[i] = random.uniform(-2.0, 2.0);
    const double px = static_cast<int>(random.uniform(0, 9)), py = static_cast<int>(random.uniform(0, 5));
    if (!evaluate(xyw, px, py, out, raw)) continue;
    const double nearest = min_of(min_of(std::abs(raw[0]), std::abs(raw[1])), std::abs(raw[2]));
    if (nearest < 0.02 || std::abs(raw[0]) + std::abs(raw[1]) + std::abs(raw[2]) > 3.0) continue;
    (raw[0] < 0 || raw[1] < 0 || raw[2] < 0 ? clamped : inside) += 1;
    crossing += xyw[2] < 0 || xyw[5] < 0 || xyw[8] < 0;

    float v[6];
    for (float& value : v) value = static_cast<float>(random.uniform(-1.0, 1.0));
    ClipVertex vertices[3];
    for (int i = 0; i < 3; ++i) vertices[i] = {xyw[3 * i], xyw[3 * i + 1], 0.0, xyw[3 * i + 2]};
    Double3 rows[3], gradient[3] = {};
    PixelWeights<double> pixel;
    CHECK(invert_planes(make_barycentric_planes(vertices), rows));
    CHECK(weigh_pixel(rows, px, py, 9.0, 5.0, pixel));
    barycentrics_vjp(rows, pixel, v, gradient);
    screen_derivatives_vjp(rows, pixel, v + 2, gradient);
    for (int i = 0; i < 9; ++i) {
      const double step = 1e-6, value = xyw[i];
      double high[6], low[6], difference = 0.0;
      xyw[i] = value + step;
      evaluate(xyw, px, py, high, raw);
      xyw[i] = value - step;
      evaluate(xyw, px, py, low, raw);
      xyw[i] = value;
      for (int k = 0; k < 6; ++k) difference += v[k] * (high[k] - low[k]) / (2 * step);
      const Double3& g = gradient[i / 3];
      const double exact = i % 3 == 0 ? g.x : (i % 3 == 1 ? g.y : g.z);
      CHECK_NEAR(exact, difference, 1e-4 * (1.0 + std::abs(exact)));
    }
  }
  CHECK(crossing > 300);
}

void derivatives_equal_finite_differences_across_the_screen() {
  Random random;
  for (int round = 0; round < 300; ++round) {
    double xyw[9], here[6], high[6], low[6], raw[3];
    for (int i = 0; i < 9; ++i) xyw[i] = random.uniform(-2.0, 2.0);
    const double step = 1e-5;
    for (int axis = 0; axis < 2; ++axis) {
      if (!evaluate(xyw, 3.0, 2.0, here, raw)) continue;
      if (min_of(min_of(raw[0], raw[1]), raw[2]) < 0.05) continue;
      evaluate(xyw, 3.0 + (axis == 0 ? step : 0.0), 2.0 + (axis == 1 ? step : 0.0), high, raw);
      evaluate(xyw, 3.0 - (axis == 0 ? step : 0.0), 2.0 - (axis == 1 ? step : 0.0), low, raw);
      for (int k = 0; k < 2; ++k) CHECK_NEAR(here[2 + 2 * k + axis], (high[k] - low[k]) / (2 * step), 1e-6);
    }
  }
}

// Whatever the ids say, nothing that is not finite comes out, and what has no derivative is 0.
void nothing_to_derive() {
  const std::vector<float> upstream(2, 1.0f), slopes(4, 1.0f);
  const std::vector<float> zero(12, 0.0f), flat(4, 0.0f);
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<Scene> scenes = {{kCorners, kFace, {-1}, 1, 1},
                               {kCorners, kFace, {1}, 1, 1},      // no such triangle
                               {kCorners, {0, 1, 3}, {0}, 1, 1},  // no such vertex
                               {kCorners, {0, 1, -1}, {0}, 1, 1},
                               {kCorners, {0, 1, 1}, {0}, 1, 1},                           // no area
                               {{-1, 0, 0, 1, 1, 0, 0, 1, 3, 0, 0, 1}, kFace, {0}, 1, 1},  // edge-on
                               {std::vector<float>(12, 0.0f), kFace, {0}, 1, 1},
                               {std::vector<float>(12, 1e-38f), kFace, {0}, 1, 1},
                               {{-1, 1, 0, -1, 1, 1, 0, -1, -1, -1, 0, -1}, kFace, {0}, 1, 1}};  // behind
  for (float bad : {kNan, inf, -inf}) {
    for (int at : {0, 5, 11}) {
      scenes.push_back({kCorners, kFace, {0}, 1, 1});
      scenes.back().positions[at] = bad;
    }
  }
  for (const Scene& scene : scenes) {
    CHECK(derivatives(scene) == flat);
    CHECK(backward(scene, upstream, {}) == zero);
    CHECK(backward(scene, {}, slopes) == zero);
  }
  const Scene no_pixels = {kCorners, kFace, {}, 0, 4};
  CHECK(derivatives(no_pixels).empty());
  CHECK(backward(no_pixels, upstream, slopes) == zero);
  const Scene no_triangles = {kCorners, {}, {-1}, 1, 1};
  CHECK(backward(no_triangles, upstream, slopes) == zero);
  const Scene no_vertices = {{}, kFace, {0}, 1, 1};
  CHECK(derivatives(no_vertices) == flat);
  CHECK(backward(no_vertices, upstream, slopes).empty());
}

void steep_triangles_saturate() {
  // The triangle is 2e-20 wide: its weights change by 1e20 per unit, and times 1e20 that leaves float.
  const Scene scene = {{-1e-20f, 1, 0, 1, 1e-20f, 1, 0, 1, 0, -1, 0, 1}, kFace, {0}, 1, 1};
  for (float value : derivatives(scene)) CHECK(std::abs(value) <= 1.1e30f);
  for (float value : backward(scene, {1e20f, -1e20f}, {1e20f, 1e20f, 1e20f, 1e20f})) {
    CHECK(std::abs(value) <= 1.1e30f);
  }
  const std::vector<float> spoilt = backward(scene, {kNan, 0.0f}, {});
  CHECK(spoilt[0] != spoilt[0]);  // a broken loss is not hidden
}

void same_bits_for_any_thread_count() {
  Random random;
  Scene scene = {{}, {}, {}, 75, 131, 3};
  for (int i = 0; i < 3 * 40 * 4; ++i)
    scene.positions.push_back(static_cast<float>(random.uniform(-1.0, 2.0)));
  for (int i = 0; i < 3 * 60; ++i) scene.faces.push_back(static_cast<int32_t>(random.uniform(0, 40)));
  std::vector<float> v_barycentrics, v_derivatives;
  for (int64_t run = 0, id = 0, pixel = 0; pixel < 3 * 75 * 131; ++pixel, --run) {
    if (run <= 0)
      run = static_cast<int64_t>(random.uniform(1, 9)), id = static_cast<int64_t>(random.uniform(-3, 60));
    scene.ids.push_back(static_cast<int32_t>(id));
    for (int i = 0; i < 2; ++i) v_barycentrics.push_back(static_cast<float>(random.uniform(-1.0, 1.0)));
    for (int i = 0; i < 4; ++i) v_derivatives.push_back(static_cast<float>(random.uniform(-1.0, 1.0)));
  }
  const std::vector<float> serial = backward(scene, v_barycentrics, v_derivatives, 1);
  for (int n_threads : {2, 5, 200}) {
    const std::vector<float> parallel = backward(scene, v_barycentrics, v_derivatives, n_threads);
    for (size_t i = 0; i < serial.size(); ++i)
      CHECK(serial[i] == parallel[i] && serial[i] - serial[i] == 0.0f);
  }
  // both at once is the sum of one after the other
  const std::vector<float> first = backward(scene, v_barycentrics, {}),
                           second = backward(scene, {}, v_derivatives);
  for (size_t i = 0; i < serial.size(); ++i) {
    CHECK_NEAR(serial[i], first[i] + second[i], 1e-4f * (std::abs(first[i]) + std::abs(second[i]) + 1.0f));
  }
}

void refusals() {
  D3dBarycentricsBackwardParams params = {};
  const D3dLaunch launch = {nullptr, 0, 1};
  CHECK(d3d_barycentrics_backward(&params, sizeof(params) - 8, &launch) == D3D_ABI_MISMATCH);
  CHECK(d3d_screen_derivatives(nullptr, sizeof(D3dScreenDerivativesParams), &launch) == D3D_ABI_MISMATCH);
}

}  // namespace

int main() {
  RUN(derivatives_without_perspective);
  RUN(derivatives_with_perspective);
  RUN(gradient_of_one_pixel);
  RUN(a_triangle_over_rows_and_views);
  RUN(rows_of_any_length);
  RUN(vjp_equals_finite_differences);
  RUN(derivatives_equal_finite_differences_across_the_screen);
  RUN(nothing_to_derive);
  RUN(steep_triangles_saturate);
  RUN(same_bits_for_any_thread_count);
  RUN(refusals);
  return EXIT_STATUS;
}
