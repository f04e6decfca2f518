// Hand-computed weights and derivatives. Each interval is one unit long, so a density of ln 2 halves the light.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

const float half = std::log(2.0f);

struct Rays {
  std::vector<float> density, values;  // [S], [S, C]
  std::vector<int32_t> packed_info;
  int channels;
  float early_stop = 0.0f;
};

struct Result {
  int32_t status;
  std::vector<float> values, opacity, depth, weights, transmittance;
};

std::vector<float> edges(size_t count, float first) {
  std::vector<float> t;
  for (size_t i = 0; i < count; ++i) t.push_back(first + static_cast<float>(i));
  return t;
}

Result run(const Rays& rays, int n_threads = 1) {
  const size_t num_rays = rays.packed_info.size() / 2, num_samples = rays.density.size();
  Result out = {0,
                std::vector<float>(num_rays * rays.channels, -7.0f),
                std::vector<float>(num_rays, -7.0f),
                std::vector<float>(num_rays, -7.0f),
                std::vector<float>(num_samples, 0.0f),
                std::vector<float>(num_samples, 0.0f)};
  const std::vector<float> t_starts = edges(num_samples, 0.0f), t_ends = edges(num_samples, 1.0f);
  const D3dCompositeParams params = {rays.density.data(),
                                     rays.values.data(),
                                     t_starts.data(),
                                     t_ends.data(),
                                     rays.packed_info.data(),
                                     out.values.data(),
                                     out.opacity.data(),
                                     out.depth.data(),
                                     out.weights.data(),
                                     out.transmittance.data(),
                                     static_cast<int64_t>(num_rays),
                                     static_cast<int64_t>(num_samples),
                                     rays.channels,
                                     rays.early_stop};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  out.status = d3d_composite(&params, sizeof(params), &launch);
  return out;
}

struct Gradients {
  std::vector<float> density, values;
};

// Upstream gradients of one for the values and the opacity.
Gradients gradients(const Rays& rays, const Result& result) {
  const size_t num_rays = rays.packed_info.size() / 2, num_samples = rays.density.size();
  Gradients grad = {std::vector<float>(num_samples, 0.0f), std::vector<float>(rays.values.size(), 0.0f)};
  const std::vector<float> t_starts = edges(num_samples, 0.0f), t_ends = edges(num_samples, 1.0f);
  const std::vector<float> ones(num_rays * (rays.channels + 1), 1.0f);
  const D3dCompositeBackwardParams params = {rays.values.data(),
                                             t_starts.data(),
                                             t_ends.data(),
                                             rays.packed_info.data(),
                                             result.weights.data(),
                                             result.transmittance.data(),
                                             ones.data(),
                                             ones.data(),
                                             nullptr,
                                             nullptr,
                                             grad.density.data(),
                                             grad.values.data(),
                                             static_cast<int64_t>(num_rays),
                                             static_cast<int64_t>(num_samples),
                                             rays.channels};
  const D3dLaunch launch = {nullptr, 0, 1};
  CHECK(d3d_composite_backward(&params, sizeof(params), &launch) == D3D_OK);
  return grad;
}

void two_halves() {
  const Rays rays = {{half, half}, {1.0f, 3.0f}, {0, 2}, 1};
  const Result result = run(rays);
  CHECK(result.status == D3D_OK);
  CHECK_NEAR(result.weights[0], 0.5f, 1e-6f);
  CHECK_NEAR(result.weights[1], 0.25f, 1e-6f);
  CHECK_NEAR(result.values[0], 1.25f, 1e-6f);
  CHECK_NEAR(result.opacity[0], 0.75f, 1e-6f);
  CHECK_NEAR(result.depth[0], 0.25f + 0.375f, 1e-6f);
  // s = values + 1 = (2, 4): dL/dtau_0 = 1/2 * 2 - 1/4 * 4 = 0, dL/dtau_1 = 1/4 * 4 = 1
  const Gradients grad = gradients(rays, result);
  CHECK_NEAR(grad.density[0], 0.0f, 1e-6f);
  CHECK_NEAR(grad.density[1], 1.0f, 1e-6f);
  CHECK_NEAR(grad.values[0], 0.5f, 1e-6f);
  CHECK_NEAR(grad.values[1], 0.25f, 1e-6f);
}

void early_stop() {
  Rays rays = {{half, half, half}, {1.0f, 1.0f, 1.0f}, {0, 3}, 1, 0.3f};
  const Result result = run(rays);
  CHECK(result.weights[2] == 0.0f);
  CHECK_NEAR(result.opacity[0], 0.75f, 1e-6f);
  const Gradients grad = gradients(rays, result);
  CHECK(grad.density[2] == 0.0f);
  CHECK(grad.values[2] == 0.0f);
}

void opaque_and_infinite() {
  for (const float density : {1e30f, std::numeric_limits<float>::infinity()}) {
    const Rays rays = {{half, density, half}, {1.0f, 1.0f, 1.0f}, {0, 3}, 1};
    const Result result = run(rays);
    CHECK_NEAR(result.opacity[0], 1.0f, 1e-6f);
    CHECK(result.weights[2] == 0.0f);
    for (const float grad : gradients(rays, result).density) CHECK(std::isfinite(grad));
  }
}

void rays_without_samples_and_without_channels() {
  const Result result = run({{half}, {}, {0, 0, 0, 1, 1, 0}, 0});
  CHECK(result.status == D3D_OK);
  CHECK(result.opacity[0] == 0.0f && result.depth[0] == 0.0f && result.opacity[2] == 0.0f);
  CHECK_NEAR(result.opacity[1], 0.5f, 1e-6f);
  CHECK(run({{}, {}, {}, 3}).status == D3D_OK);
}

// The CPU library refuses; the CUDA library, which cannot without waiting, marks the ray.
void samples_that_do_not_exist() {
  for (const std::vector<int32_t>& range : {std::vector<int32_t>{1, 2}, {-1, 1}, {0, -1}, {2147483647, 1}}) {
    const Result result = run({{half, half}, {1.0f, 1.0f}, range, 1});
    CHECK(result.status == D3D_INVALID_ARGUMENT ||
          (std::isnan(result.opacity[0]) && std::isnan(result.values[0])));
    CHECK(result.weights[0] == 0.0f && result.weights[1] == 0.0f);
  }
}

void many_rays_and_threads() {
  Rays rays = {{}, {}, {}, 3};
  for (int r = 0; r < 700; ++r) {
    rays.packed_info.push_back(static_cast<int32_t>(rays.density.size()));
    rays.packed_info.push_back(r % 7);
    for (int i = 0; i < r % 7; ++i) {
      rays.density.push_back(std::abs(std::sin(static_cast<float>(r + i))));
      for (int c = 0; c < 3; ++c) rays.values.push_back(std::cos(static_cast<float>(r * c + i)));
    }
  }
  const Result one = run(rays);
  for (int n_threads : {2, 3, 8}) {
    const Result many = run(rays, n_threads);
    CHECK(many.values == one.values && many.weights == one.weights && many.depth == one.depth);
  }
}

}  // namespace

int main() {
  RUN(two_halves);
  RUN(early_stop);
  RUN(opaque_and_infinite);
  RUN(rays_without_samples_and_without_channels);
  RUN(samples_that_do_not_exist);
  RUN(many_rays_and_threads);
  return EXIT_STATUS;
}
