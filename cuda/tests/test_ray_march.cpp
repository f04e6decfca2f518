// Hand-computed samples, and every result against a plain test of every interval.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "dream3d/ray_march.h"

using namespace dream3d;

namespace {

struct Scene {
  std::vector<uint8_t> occupancy;
  int32_t resolution[3];
  float aabb[6];
  float step;
};

struct Samples {
  int32_t status;
  std::vector<int32_t> counts, ray_index;
  std::vector<float> t_starts, t_ends;
};

Samples march_rays(const Scene& scene, const std::vector<float>& origins,
                   const std::vector<float>& directions, const std::vector<float>& jitter,
                   int n_threads = 1) {
  const size_t num_rays = jitter.size();
  Samples samples = {0, std::vector<int32_t>(num_rays, -7), {}, {}, {}};
  D3dRayMarchParams params = {};
  params.origins = origins.data();
  params.directions = directions.data();
  params.jitter = jitter.data();
  params.occupancy = scene.occupancy.data();
  params.counts = samples.counts.data();
  params.num_rays = static_cast<int64_t>(num_rays);
  for (int axis = 0; axis < 3; ++axis) params.resolution[axis] = scene.resolution[axis];
  for (int i = 0; i < 6; ++i) params.aabb[i] = scene.aabb[i];
  params.step_size = scene.step;
  const D3dLaunch launch = {nullptr, 0, n_threads};
  samples.status = d3d_ray_march_count(&params, sizeof(params), &launch);
  if (samples.status != D3D_OK) return samples;
  std::vector<int32_t> starts(num_rays);
  size_t total = 0;
  for (size_t r = 0; r < num_rays; ++r) {
    if (samples.counts[r] < 0) return samples;
    starts[r] = static_cast<int32_t>(total);
    total += static_cast<size_t>(samples.counts[r]);
  }
  samples.t_starts.assign(total, -7.0f);
  samples.t_ends.assign(total, -7.0f);
  samples.ray_index.assign(total, -7);
  params.starts = starts.data();
  params.t_starts = samples.t_starts.data();
  params.t_ends = samples.t_ends.data();
  params.ray_index = samples.ray_index.data();
  samples.status = d3d_ray_march_write(&params, sizeof(params), &launch);
  return samples;
}

const Scene two_cells = {{0, 1}, {2, 1, 1}, {0.0f, 0.0f, 0.0f, 2.0f, 1.0f, 1.0f}, 0.25f};

void second_of_two_cells() {
  const Samples samples =
      march_rays(two_cells, {-1.0f, 0.5f, 0.5f, 3.0f, 0.5f, 0.5f, 1.5f, 0.5f, 0.5f},
                 {1.0f, 0.0f, 0.0f, -1.0f, -0.0f, 0.0f, 1.0f, 0.0f, -0.0f}, {0.0f, 0.0f, 0.0f});
  CHECK(samples.status == D3D_OK);
  CHECK((samples.counts == std::vector<int32_t>{4, 4, 2}));
  CHECK((samples.t_starts ==
         std::vector<float>{2.0f, 2.25f, 2.5f, 2.75f, 1.0f, 1.25f, 1.5f, 1.75f, 0.0f, 0.25f}));
  CHECK((samples.t_ends ==
         std::vector<float>{2.25f, 2.5f, 2.75f, 3.0f, 1.25f, 1.5f, 1.75f, 2.0f, 0.25f, 0.5f}));
  CHECK((samples.ray_index == std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2}));
}

void rays_that_see_nothing() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> origins = {-1.0f, 0.5f, 0.5f, -1.0f, 2.0f, 0.5f, nan,  0.5f,
                                      0.5f,  0.5f, 0.5f, 0.5f,  0.5f, 0.5f, 0.5f, inf,
                                      0.5f,  0.5f, 0.5f, 0.5f,  0.5f, 0.5f, 0.5f, 0.5f};
  const std::vector<float> directions = {-1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 1.0f, 0.0f,
                                         0.0f,  0.0f, 0.0f, 0.0f, 1.0f, nan,  0.0f, -1.0f,
                                         0.0f,  0.0f, inf,  0.0f, 0.0f, 1.0f, 0.0f, 0.0f};
  const std::vector<float> jitter = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, nan};
  const Samples samples = march_rays(two_cells, origins, directions, jitter);
  CHECK(samples.status == D3D_OK);
  CHECK(samples.counts == std::vector<int32_t>(8, 0));
}

void too_many_intervals() {
  Scene scene = two_cells;
  scene.step = 1e-8f;
  CHECK(march_rays(scene, {-1.0f, 0.5f, 0.5f}, {1.0f, 0.0f, 0.0f}, {0.0f}).counts[0] == -1);
  scene.step = 0.25f;
  CHECK(march_rays(scene, {-1.0f, 0.5f, 0.5f}, {1e-30f, 0.0f, 0.0f}, {0.0f}).counts[0] == -1);
}

void bad_boxes_are_refused() {
  Scene scene = two_cells;
  scene.aabb[4] = 0.0f;
  CHECK(march_rays(scene, {}, {}, {}).status == D3D_INVALID_ARGUMENT);
  scene = two_cells;
  scene.step = 0.0f;
  CHECK(march_rays(scene, {}, {}, {}).status == D3D_INVALID_ARGUMENT);
  CHECK(march_rays(two_cells, {}, {}, {}).status == D3D_OK);
}

struct Noise {
  uint32_t state;
  float operator()() {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(state >> 8) / 16777216.0f;
  }
};

// The same rays without any skipping.
std::vector<float> every_interval(const Scene& scene, const float* origin, const float* direction,
                                  float jitter) {
  const MarchGrid grid = march_grid(scene.occupancy.data(), scene.resolution, scene.aabb);
  MarchRay ray = march_ray(grid, origin, direction, scene.step, jitter);
  std::vector<float> starts;
  float near = 0.0f, far = INFINITY;
  if (!march_clip(ray, grid.lower, grid.upper, near, far)) return starts;
  ray.near = near;
  for (int64_t k = 0; march_midpoint(ray, static_cast<float>(k)) < far; ++k) {
    if (march_hits<OneLane>(grid, ray, k) != 0) starts.push_back(march_edge(ray, k));
  }
  return starts;
}

void random_rays_against_every_interval() {
  Noise noise = {1};
  for (int trial = 0; trial < 20; ++trial) {
    Scene scene = {{}, {5, 9, 16}, {-1.0f, -0.5f, -2.0f, 1.0f, 0.75f, 1.0f}, 0.01f + 0.1f * noise()};
    const float fraction = trial % 4 == 0 ? 0.003f : noise();
    for (int i = 0; i < 5 * 9 * 16; ++i) scene.occupancy.push_back(noise() < fraction);
    std::vector<float> origins, directions, jitter;
    for (int r = 0; r < 50; ++r) {
      for (int axis = 0; axis < 3; ++axis) {
        origins.push_back(noise() * 6.0f - 3.0f);
        const float target = noise() * 1.5f - 0.75f - origins.back();
        directions.push_back(r % 5 == axis ? (r % 2 == 0 ? 0.0f : -0.0f) : target);
      }
      jitter.push_back(noise());
    }
    const Samples samples = march_rays(scene, origins, directions, jitter);
    std::vector<float> expected;
    for (size_t r = 0; r < jitter.size(); ++r) {
      const std::vector<float> starts = every_interval(scene, &origins[3 * r], &directions[3 * r], jitter[r]);
      CHECK(samples.counts[r] == static_cast<int32_t>(starts.size()));
      expected.insert(expected.end(), starts.begin(), starts.end());
    }
    CHECK(samples.t_starts == expected);
    CHECK(march_rays(scene, origins, directions, jitter, 3).t_starts == expected);
  }
}

}  // namespace

int main() {
  RUN(second_of_two_cells);
  RUN(rays_that_see_nothing);
  RUN(too_many_intervals);
  RUN(bad_boxes_are_refused);
  RUN(random_rays_against_every_interval);
  return EXIT_STATUS;
}
