// Winograd's convolution against the definition in double precision, and every instruction set of this machine against
// the others.
#include "dream3d/winograd.h"

#include <cmath>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "dream3d/lanes.h"
#include "noise.h"

using namespace dream3d;

namespace {

constexpr int kImages = 2, kHeight = 9, kWidth = 6, kIn = 32, kOut = 16;

// G of Lavin & Gray for the points 0, 1, -1, 2, -2 and infinity.
constexpr double kG[6][3] = {{0.25, 0, 0},
                             {-1 / 6.0, -1 / 6.0, -1 / 6.0},
                             {-1 / 6.0, 1 / 6.0, -1 / 6.0},
                             {1 / 24.0, 1 / 12.0, 1 / 6.0},
                             {1 / 24.0, -1 / 12.0, 1 / 6.0},
                             {0, 0, 1}};

// [K, C, 3, 3] to [36, K / 16, C, 16].
std::vector<float> packed(const std::vector<float>& weight) {
  std::vector<float> result(kProducts * kIn * kOut);
  for (int k = 0; k < kOut; ++k) {
    for (int c = 0; c < kIn; ++c) {
      for (int i = 0; i < kProducts; ++i) {
        double sum = 0.0;
        for (int a = 0; a < 9; ++a)
          sum += kG[i / 6][a / 3] * weight[(k * kIn + c) * 9 + a] * kG[i % 6][a % 3];
        const int panel = (i * (kOut / kPanel) + k / kPanel) * kIn + c;
        result[panel * kPanel + k % kPanel] = static_cast<float>(sum);
      }
    }
  }
  return result;
}

void it_is_the_convolution() {
  const std::vector<float> input = Noise{1}.many(kImages * kHeight * kWidth * kIn);
  const std::vector<float> weight = Noise{2}.many(kOut * kIn * 9), bias = Noise{3}.many(kOut);
  const std::vector<float> transformed = packed(weight);
  std::vector<float> output(kImages * kHeight * kWidth * kOut);
  const D3dWinogradConvParams params = {
      input.data(), transformed.data(), bias.data(), output.data(), kImages, kHeight, kWidth, kIn, kOut};
  const D3dLaunch launch = {nullptr, 0, 2};
  CHECK(d3d_winograd_conv(&params, sizeof(params), &launch) == D3D_OK);
  for (int at = 0; at < kImages * kHeight * kWidth; ++at) {
    const int image = at / (kHeight * kWidth), y = at / kWidth % kHeight, x = at % kWidth;
    for (int k = 0; k < kOut; ++k) {
      double sum = bias[k];
      for (int a = 0; a < 9; ++a) {
        const int row = y + a / 3 - 1, column = x + a % 3 - 1;
        if (row < 0 || row >= kHeight || column < 0 || column >= kWidth) continue;
        const int pixel = (image * kHeight + row) * kWidth + column;
        for (int c = 0; c < kIn; ++c)
          sum += static_cast<double>(weight[(k * kIn + c) * 9 + a]) * input[pixel * kIn + c];
      }
      CHECK_NEAR(output[at * kOut + k], sum, 1e-4);
    }
  }
}

// Whole numbers: all sums are exact, whatever the width of the vectors and the number of rows.
template <class L, int R>
void check_product() {
  float rows[12][kIn], panel[kIn][kPanel], out[12][2 * kPanel] = {};
  for (int r = 0; r < 12; ++r) {
    for (int c = 0; c < kIn; ++c) rows[r][c] = static_cast<float>((5 * r + 3 * c) % 11 - 5);
  }
  for (int c = 0; c < kIn; ++c) {
    for (int k = 0; k < kPanel; ++k) panel[c][k] = static_cast<float>((7 * c + k) % 13 - 6);
  }
  multiply_panel<L, R>(rows[0], kIn, panel[0], kIn, out[0], 2 * kPanel);
  for (int r = 0; r < 12; ++r) {
    for (int k = 0; k < 2 * kPanel; ++k) {
      float sum = 0.0f;
      for (int c = 0; c < kIn && r < R && k < kPanel; ++c) sum += rows[r][c] * panel[c][k];
      CHECK(out[r][k] == sum);
    }
  }
}

// For `run_lanes`.
struct CheckProducts {
  template <class L>
  inline void run() const {
    check_product<L, 12 * L::kWidth / kPanel>();
    check_product<L, 1>();
  }
};

void products_are_the_same_for_every_instruction_set() {
  for (int best = static_cast<int>(instruction_set()); best >= 0; --best)
    run_lanes(static_cast<InstructionSet>(best), CheckProducts{});
}

void bad_arguments_are_refused() {
  const D3dLaunch launch = {nullptr, 0, 1};
  const auto status = [&](int height, int width, int in, int out) {
    const D3dWinogradConvParams params = {nullptr, nullptr, nullptr, nullptr, 0, height, width, in, out};
    return d3d_winograd_conv(&params, sizeof(params), &launch);
  };
  CHECK(status(1, 1, 16, 16) == D3D_OK);
  CHECK(status(0, 1, 16, 16) == D3D_INVALID_ARGUMENT);
  CHECK(status(1, 0, 16, 16) == D3D_INVALID_ARGUMENT);
  CHECK(status(1, 1, 8, 16) == D3D_INVALID_ARGUMENT);
  CHECK(status(1, 1, 16, 40) == D3D_INVALID_ARGUMENT);
  CHECK(status(1, 1, 0, 16) == D3D_INVALID_ARGUMENT);
}

}  // namespace

int main() {
  RUN(it_is_the_convolution);
  RUN(products_are_the_same_for_every_instruction_set);
  RUN(bad_arguments_are_refused);
  return EXIT_STATUS;
}
