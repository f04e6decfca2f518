// A picture of two views with two pixels each: the left one sees triangle 0, the right one nothing or a bad index.
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

const std::vector<int32_t> kFaces = {2, 0, 1, 0, 1, 9};  // the second one names a vertex that is not there
const std::vector<int32_t> kIds = {0, -1, 0, 1};         // [2, 2]
const std::vector<float> kWeights = {0.5f, 0.25f, 0, 0, 1, 0, 0.25f, 0.5f};
const std::vector<float> kSlopes = {0.5f, -1, 0, 0.5f, 9, 9, 9, 9,
                                    1,    0,  0, 1,    9, 9, 9, 9};  // d(u, v) / d(x, y)
const std::vector<float> kShared = {4, 40, 8, 80, 16, 160};          // vertices 0, 1, 2
const std::vector<float> kPerView = {4, 40, 8, 80, 16, 160, 1, 2, 3, 4, 5, 6};
const D3dLaunch kLaunch = {nullptr, 0, 2};

std::vector<float> draw(const std::vector<float>& attributes, int64_t num_sets) {
  std::vector<float> image(8, -7.0f);
  const D3dInterpolateParams params = {
      attributes.data(), kFaces.data(), kIds.data(), kWeights.data(), image.data(), num_sets, 2, 3, 2, 2, 2};
  CHECK(d3d_interpolate(&params, sizeof(params), &kLaunch) == D3D_OK);
  return image;
}

void values() {
  // 0.5 of vertex 2, 0.25 of vertex 0 and 0.25 of vertex 1; then vertex 2 alone
  CHECK(draw(kShared, 1) == (std::vector<float>{11, 110, 0, 0, 16, 160, 0, 0}));
  CHECK(draw(kPerView, 2) == (std::vector<float>{11, 110, 0, 0, 5, 6, 0, 0}));
}

std::vector<float> attribute_gradient(const std::vector<float>& upstream, int64_t num_sets,
                                      bool derivatives) {
  std::vector<float> gradient(6 * num_sets, -7.0f);
  const D3dInterpolateBackwardParams params = {upstream.data(),
                                               nullptr,
                                               kFaces.data(),
                                               kIds.data(),
                                               derivatives ? kSlopes.data() : kWeights.data(),
                                               gradient.data(),
                                               nullptr,
                                               num_sets,
                                               2,
                                               3,
                                               2,
                                               2,
                                               2};
  CHECK((derivatives ? d3d_interpolate_derivatives_backward : d3d_interpolate_backward)(
            &params, sizeof(params), &kLaunch) == D3D_OK);
  return gradient;
}

std::vector<float> weight_gradient(const std::vector<float>& upstream, const std::vector<float>& attributes,
                                   int64_t num_sets, bool derivatives) {
  std::vector<float> gradient(derivatives ? 16 : 8, -7.0f);
  const D3dInterpolateBackwardParams params = {upstream.data(),
                                               attributes.data(),
                                               kFaces.data(),
                                               kIds.data(),
                                               derivatives ? kSlopes.data() : kWeights.data(),
                                               nullptr,
                                               gradient.data(),
                                               num_sets,
                                               2,
                                               3,
                                               2,
                                               2,
                                               2};
  CHECK((derivatives ? d3d_interpolate_derivatives_backward : d3d_interpolate_backward)(
            &params, sizeof(params), &kLaunch) == D3D_OK);
  return gradient;
}

void gradients() {
  const std::vector<float> upstream = {4, 8, 1000, 1000, 1, 2, 1000, 1000};
  const std::vector<float> shared = {1, 2, 1, 2, 3, 6};
  const std::vector<float> per_view = {1, 2, 1, 2, 2, 4, 0, 0, 0, 0, 1, 2};
  CHECK(attribute_gradient(upstream, 1, false) == shared);
  CHECK(attribute_gradient(upstream, 2, false) == per_view);
  // pixel 0: (4, 8) . (vertex 2 - vertex 1 = (8, 80)), and . (vertex 0 - vertex 1 = (-4, -40)); pixel 2 the same
  CHECK(weight_gradient(upstream, kShared, 1, false) ==
        (std::vector<float>{672, -336, 0, 0, 168, -84, 0, 0}));
  CHECK(weight_gradient(upstream, kPerView, 2, false) == (std::vector<float>{672, -336, 0, 0, 6, -6, 0, 0}));
}

void derivatives() {
  // (8, 80) du/d(x, y) + (-4, -40) dv/d(x, y): the channels' x and y, one after the other
  std::vector<float> image(16, -7.0f);
  const D3dInterpolateParams params = {
      kShared.data(), kFaces.data(), kIds.data(), kSlopes.data(), image.data(), 1, 2, 3, 2, 2, 2};
  CHECK(d3d_interpolate_derivatives(&params, sizeof(params), &kLaunch) == D3D_OK);
  CHECK(image == (std::vector<float>{4, -10, 40, -100, 0, 0, 0, 0, 8, -4, 80, -40, 0, 0, 0, 0}));
}

void derivative_gradients() {
  const std::vector<float> upstream = {1, 2, 3, 4, 1000, 1000, 1000, 1000,
                                       5, 0, 0, 6, 1000, 1000, 1000, 1000};
  // Pixel 0, channel 0: vertex 2 gets 1 du/dx + 2 du/dy, vertex 0 1 dv/dx + 2 dv/dy, vertex 1 minus both.
  const std::vector<float> first = {1, 2, 0.5f, 0.5f, -1.5f, -2.5f};  // vertices 0, 1, 2
  const std::vector<float> second = {0, 6, -5, -6, 5, 0};
  std::vector<float> both = first;
  for (int i = 0; i < 6; ++i) both[i] += second[i];
  CHECK(attribute_gradient(upstream, 1, true) == both);
  std::vector<float> per_view = first;
  per_view.insert(per_view.end(), second.begin(), second.end());
  CHECK(attribute_gradient(upstream, 2, true) == per_view);
  // du/dx gets 1 * 8 + 3 * 80, du/dy 2 * 8 + 4 * 80, and dv as much times -1/2
  CHECK(weight_gradient(upstream, kShared, 1, true) ==
        (std::vector<float>{248, 336, -124, -168, 0, 0, 0, 0, 40, 480, -20, -240, 0, 0, 0, 0}));
}

}  // namespace

int main() {
  RUN(values);
  RUN(gradients);
  RUN(derivatives);
  RUN(derivative_gradients);
  return EXIT_STATUS;
}
