// A picture of two views with two pixels each: the left one sees triangle 0, the right one nothing or a bad index.
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

const std::vector<int32_t> kFaces = {2, 0, 1, 0, 1, 9};  // the second one names a vertex that is not there
const std::vector<int32_t> kIds = {0, -1, 0, 1};         // [2, 2]
const std::vector<float> kWeights = {0.5f, 0.25f, 0, 0, 1, 0, 0.25f, 0.5f};
const D3dLaunch kLaunch = {nullptr, 0, 2};

std::vector<float> draw(const std::vector<float>& attributes, int64_t num_sets) {
  std::vector<float> image(8, -7.0f);
  const D3dInterpolateParams params = {
      attributes.data(), kFaces.data(), kIds.data(), kWeights.data(), image.data(), num_sets, 2, 3, 2, 2, 2};
  CHECK(d3d_interpolate(&params, sizeof(params), &kLaunch) == D3D_OK);
  return image;
}

void values() {
  const std::vector<float> shared = {4, 40, 8, 80, 16, 160};  // vertices 0, 1, 2
  // 0.5 of vertex 2, 0.25 of vertex 0 and 0.25 of vertex 1; then vertex 2 alone
  CHECK(draw(shared, 1) == (std::vector<float>{11, 110, 0, 0, 16, 160, 0, 0}));
  const std::vector<float> per_view = {4, 40, 8, 80, 16, 160, 1, 2, 3, 4, 5, 6};
  CHECK(draw(per_view, 2) == (std::vector<float>{11, 110, 0, 0, 5, 6, 0, 0}));
}

void gradients() {
  const std::vector<float> upstream = {4, 8, 1000, 1000, 1, 2, 1000, 1000};
  for (int64_t num_sets : {1, 2}) {
    std::vector<float> gradient(6 * num_sets, -7.0f);
    const D3dInterpolateBackwardParams params = {upstream.data(),
                                                 kFaces.data(),
                                                 kIds.data(),
                                                 kWeights.data(),
                                                 gradient.data(),
                                                 num_sets,
                                                 2,
                                                 3,
                                                 2,
                                                 2,
                                                 2};
    CHECK(d3d_interpolate_backward(&params, sizeof(params), &kLaunch) == D3D_OK);
    const std::vector<float> shared = {1, 2, 1, 2, 3, 6};
    const std::vector<float> per_view = {1, 2, 1, 2, 2, 4, 0, 0, 0, 0, 1, 2};
    CHECK(gradient == (num_sets == 1 ? shared : per_view));
  }
}

}  // namespace

int main() {
  RUN(values);
  RUN(gradients);
  return EXIT_STATUS;
}
