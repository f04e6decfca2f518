// Group normalisation with SiLU against plain loops in double precision, and every instruction set of this machine
// against the others.
#include "dream3d/group_norm_silu.h"

#include <cmath>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "noise.h"

using namespace dream3d;

namespace {

constexpr int64_t kImages = 2, kPixels = 7;
constexpr int kChannels = 48, kGroups = 3, kGroupSize = kChannels / kGroups;
constexpr float kEpsilon = 1e-5f;

struct Problem {
  std::vector<float> input = Noise{1}.many(kImages * kPixels * kChannels);
  std::vector<float> gain = Noise{2}.many(kImages * kChannels), bias = Noise{3}.many(kImages * kChannels);
  std::vector<float> grad_output = Noise{4}.many(kImages * kPixels * kChannels);
};

double silu(double z) { return z / (1.0 + std::exp(-z)); }

std::vector<double> expected_output(const Problem& problem) {
  std::vector<double> output(problem.input.size());
  for (int64_t b = 0; b < kImages; ++b) {
    for (int g = 0; g < kGroups; ++g) {
      double sum = 0.0, squares = 0.0;
      const auto each = [&](const auto& body) {
        for (int64_t i = 0; i < kPixels; ++i) {
          for (int c = g * kGroupSize; c < (g + 1) * kGroupSize; ++c)
            body((b * kPixels + i) * kChannels + c, c);
        }
      };
      each([&](int64_t at, int) { sum += problem.input[at]; });
      const double mean = sum / (kPixels * kGroupSize);
      each([&](int64_t at, int) { squares += std::pow(problem.input[at] - mean, 2); });
      const double scale = 1.0 / std::sqrt(squares / (kPixels * kGroupSize) + kEpsilon);
      each([&](int64_t at, int c) {
        const size_t channel = b * kChannels + c;
        output[at] = silu((problem.input[at] - mean) * scale * problem.gain[channel] + problem.bias[channel]);
      });
    }
  }
  return output;
}

struct Result {
  std::vector<float> output, mean, inverse_std;
};

Result forward(const Problem& problem) {
  Result result = {std::vector<float>(problem.input.size()), std::vector<float>(kImages * kGroups),
                   std::vector<float>(kImages * kGroups)};
  const D3dGroupNormSiluParams params = {problem.input.data(),
                                         problem.gain.data(),
                                         problem.bias.data(),
                                         result.output.data(),
                                         result.mean.data(),
                                         result.inverse_std.data(),
                                         kImages,
                                         kPixels,
                                         kChannels,
                                         kGroups,
                                         0,
                                         kEpsilon};
  const D3dLaunch launch = {nullptr, 0, 2};
  CHECK(d3d_group_norm_silu(&params, sizeof(params), &launch) == D3D_OK);
  return result;
}

double loss(const Problem& problem) {
  const std::vector<double> output = expected_output(problem);
  double total = 0.0;
  for (size_t i = 0; i < output.size(); ++i) total += output[i] * problem.grad_output[i];
  return total;
}

void forward_agrees_with_plain_loops() {
  const Problem problem;
  const std::vector<double> expected = expected_output(problem);
  const Result result = forward(problem);
  for (size_t i = 0; i < expected.size(); ++i) CHECK_NEAR(result.output[i], expected[i], 2e-6);
}

// Derivatives of the plain loops in double precision by central differences, in some elements of each argument.
void gradients_agree_with_finite_differences() {
  Problem problem;
  const Result result = forward(problem);
  std::vector<float> grad_input(problem.input.size()), grad_gain(problem.gain.size()),
      grad_bias(problem.bias.size());
  const D3dGroupNormSiluBackwardParams params = {problem.input.data(),
                                                 problem.gain.data(),
                                                 problem.bias.data(),
                                                 result.mean.data(),
                                                 result.inverse_std.data(),
                                                 problem.grad_output.data(),
                                                 grad_input.data(),
                                                 grad_gain.data(),
                                                 grad_bias.data(),
                                                 kImages,
                                                 kPixels,
                                                 kChannels,
                                                 kGroups,
                                                 0};
  const D3dLaunch launch = {nullptr, 0, 2};
  CHECK(d3d_group_norm_silu_backward(&params, sizeof(params), &launch) == D3D_OK);
  const auto compare = [&](std::vector<float>& values, const std::vector<float>& gradient) {
    for (size_t i = 0; i < values.size(); i += 13) {
      const float before = values[i];
      values[i] = before + 1e-3f;
      const double above = loss(problem), high = values[i];
      values[i] = before - 1e-3f;
      const double below = loss(problem), low = values[i];
      values[i] = before;
      CHECK_NEAR(gradient[i], (above - below) / (high - low), 2e-5);
    }
  };
  compare(problem.input, grad_input);
  compare(problem.gain, grad_gain);
  compare(problem.bias, grad_bias);
}

template <class L>
void check_lanes() {
  constexpr int W = L::kWidth;
  typename L::Float x;
  for (float start = -90.0f; start < 90.0f; start += 0.37f) {
    for (int i = 0; i < W; ++i) x[i] = start + 0.01f * static_cast<float>(i);
    const typename L::Float y = exp_lanes<L>(x);
    for (int i = 0; i < W; ++i) {
      const double exact = std::exp(static_cast<double>(x[i] > 87.0f    ? 87.0f
                                                        : x[i] < -87.0f ? -87.0f
                                                                        : x[i]));
      CHECK_NEAR(y[i], exact, 4e-7 * exact);
    }
  }
  uint16_t halves[W];
  for (int i = 0; i < W; ++i)
    x[i] = 1.0f + 0.00390625f * static_cast<float>(i % 4);  // halves of a step: ties to even
  store_channels<L>(halves, x);
  const typename L::Float back = load_channels<L>(halves);
  const float rounded[4] = {1.0f, 1.0f, 1.0078125f, 1.015625f};
  for (int i = 0; i < W; ++i) CHECK(back[i] == rounded[i % 4]);
  x = typename L::Float{} + NAN;
  store_channels<L>(halves, x);
  CHECK(std::isnan(load_channels<L>(halves)[0]));
}

void every_width_has_the_same_functions() {
  check_lanes<Lanes<4>>();
  check_lanes<Lanes<8>>();
  check_lanes<Lanes<16>>();
}

void bad_arguments_are_refused() {
  Problem problem;
  Result result = forward(problem);
  D3dGroupNormSiluParams params = {problem.input.data(),
                                   problem.gain.data(),
                                   problem.bias.data(),
                                   result.output.data(),
                                   result.mean.data(),
                                   result.inverse_std.data(),
                                   1,
                                   1,
                                   24,
                                   3,
                                   0,
                                   kEpsilon};
  const D3dLaunch launch = {nullptr, 0, 1};
  CHECK(d3d_group_norm_silu(&params, sizeof(params), &launch) == D3D_INVALID_ARGUMENT);
  params.num_channels = 32;
  CHECK(d3d_group_norm_silu(&params, sizeof(params), &launch) == D3D_INVALID_ARGUMENT);
  params.num_groups = 4;
  params.num_pixels = 0;
  CHECK(d3d_group_norm_silu(&params, sizeof(params), &launch) == D3D_INVALID_ARGUMENT);
  CHECK(d3d_group_norm_silu(&params, sizeof(params) - 1, &launch) == D3D_ABI_MISMATCH);
}

}  // namespace

int main() {
  RUN(forward_agrees_with_plain_loops);
  RUN(gradients_agree_with_finite_differences);
  RUN(every_width_has_the_same_functions);
  RUN(bad_arguments_are_refused);
  return EXIT_STATUS;
}
