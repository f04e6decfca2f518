// Textures of a few texels at a few points, by hand; and many pixels on a small texture, for the order of its sums.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

using Floats = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Levels of `height` x `width` and below, halved as often as there are levels.
D3dTextureLayout layout_of(D3dTextureFilter filter, D3dTextureBoundary boundary, int32_t height,
                           int32_t width, int32_t num_levels = 1, int32_t num_channels = 1) {
  D3dTextureLayout layout = {};
  layout.filter = filter;
  layout.boundary = boundary;
  layout.num_levels = num_levels;
  layout.num_channels = num_channels;
  for (int32_t l = 0; l < num_levels; ++l) {
    layout.heights[l] = height;
    layout.widths[l] = width;
    layout.offsets[l + 1] = layout.offsets[l] + int64_t{boundary == D3D_CUBE ? 6 : 1} * height * width;
    height = height > 1 ? height / 2 : 1;
    width = width > 1 ? width / 2 : 1;
  }
  return layout;
}

// One texture and one view, unless said otherwise.
struct Case {
  D3dTextureLayout layout;
  Floats texels, uv;
  Floats derivatives = {}, bias = {};
  int64_t num_textures = 1, num_views = 1;

  int64_t pixels() const { return static_cast<int64_t>(uv.size()) / (layout.boundary == D3D_CUBE ? 3 : 2); }
  const float* derivatives_or_null() const { return derivatives.empty() ? nullptr : derivatives.data(); }
  const float* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }

  Floats sample() const {
    Floats image(pixels() * layout.num_channels, -7.0f);
    const D3dLaunch launch = {nullptr, 0, 2};
    const D3dTextureParams params = {
        texels.data(), uv.data(), derivatives_or_null(), bias_or_null(), image.data(),
        num_textures,  num_views, pixels() / num_views,  layout};
    CHECK(d3d_texture(&params, sizeof(params), &launch) == D3D_OK);
    return image;
  }
};

struct Gradients {
  Floats texels, uv, derivatives, bias;
};

Gradients backward(const Case& c, const Floats& upstream, int32_t n_threads = 2) {
  Gradients g = {Floats(c.texels.size(), -7.0f), Floats(c.uv.size(), -7.0f),
                 Floats(c.derivatives.size(), -7.0f), Floats(c.bias.size(), -7.0f)};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  D3dTextureBackwardParams params = {};
  params.grad_image = upstream.data();
  params.texels = c.texels.data();
  params.uv = c.uv.data();
  params.uv_derivatives = c.derivatives_or_null();
  params.mip_bias = c.bias_or_null();
  params.grad_texels = g.texels.data();
  params.grad_uv = g.uv.data();
  params.grad_uv_derivatives = g.derivatives.empty() ? nullptr : g.derivatives.data();
  params.grad_mip_bias = g.bias.empty() ? nullptr : g.bias.data();
  params.num_textures = c.num_textures;
  params.num_views = c.num_views;
  params.num_pixels = c.pixels() / c.num_views;
  params.layout = c.layout;
  CHECK(d3d_texture_backward(&params, sizeof(params), &launch) == D3D_OK);
  return g;
}

void check_all_near(const Floats& a, const Floats& b, float tolerance = 1e-6f) {
  CHECK(a.size() == b.size());
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) CHECK_NEAR(a[i], b[i], tolerance);
}

const Floats kSquare = {1, 2, 4, 8};  // 2 x 2

void nearest() {
  Case c = {layout_of(D3D_NEAREST, D3D_CLAMP, 2, 2), kSquare, {0, 0, 0.49f, 0.5f, 0.5f, 0.49f, 1, 1, 9, -9}};
  CHECK(c.sample() == (Floats{1, 4, 2, 8, 2}));
  const Gradients g = backward(c, {1, 10, 100, 1000, 10000});
  CHECK(g.texels == (Floats{1, 10100, 10, 1000}));
  CHECK(g.uv == Floats(10, 0.0f));
  c.layout.boundary = D3D_WRAP;
  c.uv = {1, 1, -0.25f, 0.25f, 7.25f, -3.25f, -1e-9f, 0};
  CHECK(c.sample() == (Floats{1, 2, 4, 2}));
}

void bilinear() {
  // a texel's centre, the middle, between two, beyond the border, on it
  Case c = {layout_of(D3D_BILINEAR, D3D_CLAMP, 2, 2),
            kSquare,
            {0.75f, 0.25f, 0.5f, 0.5f, 0.375f, 0.25f, -5, 0.75f, 0, 0.25f}};
  CHECK(c.sample() == (Floats{2, 3.75f, 1.25f, 4, 1}));
  const Gradients g = backward(c, {0, 4, 40, 1, 100});
  CHECK(g.texels == (Floats{1 + 30 + 100, 1 + 10, 1 + 1, 1}));
  // d/du of the middle: width x (mean of 2 - 1 and 8 - 4); nothing along an axis on which it is beyond the border
  CHECK(g.uv[2] == 4 * 2 * 2.5f && g.uv[3] == 4 * 2 * 4.5f);
  CHECK(g.uv[4] == 40 * 2 * 1.0f && g.uv[5] == 40 * 2 * (3 * 0.75f + 6 * 0.25f));
  CHECK(g.uv[6] == 0 && g.uv[8] == 0);
  c.layout.boundary = D3D_WRAP;
  c.uv = {0, 0.25f, 1.25f, -0.75f, 0, 0};
  CHECK(c.sample() == (Floats{1.5f, 1, 3.75f}));
  CHECK(backward(c, {1, 0, 0}).uv[0] == 2 * (1.0f - 2.0f));
}

void textures_per_view_and_channels() {
  Case c = {
      layout_of(D3D_BILINEAR, D3D_CLAMP, 1, 2, 1, 2), {1, 10, 3, 30, 5, 50, 9, 90}, {0.5f, 0.5f, 0.5f, 0.5f}};
  c.num_textures = c.num_views = 2;
  CHECK(c.sample() == (Floats{2, 20, 7, 70}));
  CHECK(backward(c, {2, 4, 8, 16}).texels == (Floats{1, 2, 1, 2, 4, 8, 4, 8}));
}

void trilinear() {
  // level 0 is 4 x 4 zeros, level 1 is 2 x 2 eights, level 2 is 24
  Floats texels(21, 0.0f);
  for (int i = 16; i < 20; ++i) texels[i] = 8;
  texels[20] = 24;
  Case c = {layout_of(D3D_TRILINEAR, D3D_CLAMP, 4, 4, 3), texels, Floats(12, 0.5f)};
  const float t = 0.25f;  // one texel
  // one texel a pixel; sqrt(2), turned; 2 along v; 8, more than there is; nothing moves; a bias of 1/4 on 2^(1/2)
  c.derivatives = {t, 0, 0, t, t, -t, t, t, 0, 0, 0, -2 * t, 8 * t, 0, 0, t, 0, 0, 0, 0, t, t, -t, t};
  c.bias = {0, 0, 0, 0, 0, 0.25f};
  check_all_near(c.sample(), {0, 4, 8, 24, 0, 6});
  const Gradients g = backward(c, Floats(6, 1.0f));
  check_all_near(g.bias, {8, 8, 16, 0, 0, 8});
  // level = log2(2 |dv/dy| / t): its derivative is 1 / (ln 2 dv/dy)
  CHECK_NEAR(g.derivatives[8 + 3], 16 / (std::log(2.0f) * -2 * t), 1e-3f);
  CHECK(g.derivatives[8] == 0 && g.derivatives[9] == 0 && g.derivatives[10] == 0);
  // a circle: the mean of both axes
  CHECK_NEAR(g.derivatives[0], 8 / (std::log(2.0f) * t) / 2, 1e-3f);
  for (int i = 12; i < 20; ++i) CHECK(g.derivatives[i] == 0);
  float total = 0;
  for (float value : g.texels) total += value;
  CHECK_NEAR(total, 6.0f, 1e-5f);
  CHECK_NEAR(g.texels[20], 1.0f, 1e-6f);

  c.derivatives.clear();  // the bias is the level
  c.bias = {-3, 0, 0.5f, 1.75f, 2, 99};
  check_all_near(c.sample(), {0, 0, 4, 20, 24, 24});
  CHECK(backward(c, Floats(6, 1.0f)).bias == (Floats{0, 8, 8, 16, 16, 0}));
  c.layout.num_levels = 1;  // nowhere to go
  c.texels.resize(16);
  CHECK(c.sample() == Floats(6, 0.0f) && backward(c, Floats(6, 1.0f)).bias == Floats(6, 0.0f));
}

// Central differences of the sum of the picture, by every number of one input.
void check_differences(Case& c, Floats& input, const Floats& gradient) {
  CHECK(input.size() == gradient.size());
  for (size_t i = 0; i < input.size(); ++i) {
    const float before = input[i], step = 1e-3f;
    double ends[2] = {0, 0};
    for (int end = 0; end < 2; ++end) {
      input[i] = before + (end == 0 ? -step : step);
      for (float value : c.sample()) ends[end] += value;
    }
    input[i] = before;
    const double slope = (ends[1] - ends[0]) / (2 * step);
    CHECK_NEAR(gradient[i], slope, 0.02 + 0.01 * std::abs(slope));
  }
}

void differences() {
  Floats texels;
  for (int i = 0; i < 6 * 21; ++i) texels.push_back(static_cast<float>(i * 37 % 23) / 8);
  // points away from the middles of texels of all levels, footprints in all levels, wider than high and turned
  Case c = {layout_of(D3D_TRILINEAR, D3D_WRAP, 4, 8, 4), texels, {0.3f, 0.7f, 0.1f, 0.45f, 1.4f, -0.2f}};
  c.derivatives = {0.2f, 0.1f, -0.15f, 0.3f, 0.3f, -0.1f, 0.1f, 0.2f, -0.4f, 0.5f, 0.1f, 0.1f};
  c.bias = {0, -0.4f, 0.1f};
  const Gradients g = backward(c, Floats(3, 1.0f));
  check_differences(c, c.uv, g.uv);
  check_differences(c, c.derivatives, g.derivatives);
  check_differences(c, c.bias, g.bias);

  // near a corner, an edge, and in the middle of a face
  c = {layout_of(D3D_TRILINEAR, D3D_CUBE, 4, 4, 3),
       texels,
       {1, 0.9f, 0.95f, -0.3f, -1, 0.93f, 0.2f, 0.3f, -1}};
  c.bias = {0.3f, 0.6f, 1.2f};
  const Gradients h = backward(c, Floats(3, 1.0f));
  check_differences(c, c.uv, h.uv);
  check_differences(c, c.bias, h.bias);
}

void cube_faces() {
  // texel value = 100 face + 10 row + column; the first row and column of a face are where -s, -t of OpenGL's table are
  Case c = {layout_of(D3D_NEAREST, D3D_CUBE, 2, 2), {}, {}};
  for (int i = 0; i < 24; ++i) c.texels.push_back(100.0f * (i / 4) + 10.0f * (i / 2 % 2) + i % 2);
  c.uv = {4, 1, 3, 4,  1, -3, -4, 1,  3,  -4, -1, 3,    // +X: s is -z, t is -y; -X: s is z
          1, 4, 3, -1, 4, 3,  1,  -4, 3,  1,  -4, -3,   // +Y: s is x, t is z; -Y: t is -z
          1, 3, 4, -1, 3, 4,  1,  3,  -4, 1,  -3, -4};  // +Z: s is x, t is -y; -Z: s is -x
  CHECK(c.sample() == (Floats{0, 1, 101, 111, 211, 210, 301, 311, 401, 400, 500, 510}));
  c.uv = {5, 5, 0, 0, -5, -5};  // of equal components the first decides
  CHECK(c.sample() == (Floats{1, 311}));
}

void cube_seams() {
  Case c = {layout_of(D3D_BILINEAR, D3D_CUBE, 1, 1), {1, 2, 4, 8, 16, 32}, {}};
  // the middle of a face, an edge, a quarter of the way to it, a corner
  c.uv = {0, -2, 0, 3, 3, 0, 1, 0.5f, 0, -1, -1, 1};
  check_all_near(c.sample(), {8, 2.5f, 0.75f * 1 + 0.25f * 4, (2 + 8 + 16) / 3.0f}, 1e-5f);
  const Gradients g = backward(c, {0, 0, 0, 3});
  check_all_near(g.texels, {0, 1, 0, 1, 1, 0}, 1e-6f);
  // along the direction itself nothing changes
  const Gradients h = backward(c, {1, 1, 1, 1});
  for (size_t i = 0; i < 12; i += 3)
    CHECK_NEAR(h.uv[i] * c.uv[i] + h.uv[i + 1] * c.uv[i + 1] + h.uv[i + 2] * c.uv[i + 2], 0, 1e-5f);
  CHECK_NEAR(h.uv[3 * 2 + 1], 0.5f * (4 - 1), 1e-6f);  // d/dy of +X at (1, 1/2, 0): half a face, to +Y

  // 2 x 2: the texels of +X next to +Y are its first row; the last one of it (s = -z) meets the first row of +Y
  c = {layout_of(D3D_BILINEAR, D3D_CUBE, 2, 2), Floats(24, 0.0f), {1, 1, -0.5f}};
  c.texels[1] = 2;      // +X, row 0, column 1
  c.texels[8 + 1] = 6;  // +Y, row 0, column 1
  check_all_near(c.sample(), {4});
}

void not_finite() {
  Case c = {layout_of(D3D_TRILINEAR, D3D_WRAP, 2, 2, 2), {1, 1, 1, 1, 1}, Floats(10, 0.5f)};
  c.derivatives = Floats(20, 0.25f);
  c.bias = Floats(5, 0.0f);
  c.uv[0] = kNan;
  c.uv[3] = -kInf;
  c.derivatives[9] = kNan;
  c.bias[3] = kInf;
  CHECK(c.sample() == (Floats{0, 0, 0, 0, 1}));
  const Gradients g = backward(c, Floats(5, 1.0f));
  float total = 0;
  for (float value : g.texels) total += value;
  CHECK_NEAR(total, 1.0f, 1e-6f);
  for (const Floats* gradient : {&g.uv, &g.derivatives, &g.bias})
    for (float value : *gradient) CHECK(std::isfinite(value));

  Case cube = {
      layout_of(D3D_BILINEAR, D3D_CUBE, 1, 1), Floats(6, 1.0f), {0, -0.0f, 0, kInf, 1, 1, 1, kNan, 1}};
  CHECK(cube.sample() == Floats(3, 0.0f));
  CHECK(backward(cube, Floats(3, 1.0f)).texels == Floats(6, 0.0f));
  CHECK(backward(cube, Floats(3, 1.0f)).uv == Floats(9, 0.0f));
}

// More pixels than are sorted at once, several textures and bands: the sums are those of the plain loop of one thread.
void sums_in_the_order_of_pixels() {
  const int64_t pixels = 150001;
  Case c = {layout_of(D3D_TRILINEAR, D3D_WRAP, 33, 20, 3, 1), {}, {}};
  c.num_textures = c.num_views = 2;
  c.texels.assign(2 * c.layout.offsets[3], 0.0f);
  uint32_t state = 1;
  auto next = [&] { return static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f; };
  Floats upstream;
  for (int64_t i = 0; i < 2 * pixels; ++i) {
    c.uv.push_back(3 * next() - 1);
    c.uv.push_back(3 * next() - 1);
    c.bias.push_back(4 * next() - 1);
    upstream.push_back(i % 3 == 0 ? 0.0f : next());
  }
  const Floats one = backward(c, upstream, 1).texels;
  CHECK(one == backward(c, upstream, 3).texels);
  double total = 0, expected = 0;
  for (float value : one) total += value;
  for (float value : upstream) expected += value;
  CHECK_NEAR(total / expected, 1.0, 1e-5);
}

void empty() {
  const Case c = {layout_of(D3D_BILINEAR, D3D_CLAMP, 1, 2), {1, 2}, {}};
  CHECK(c.sample().empty());
  CHECK(backward(c, {}).texels == (Floats{0, 0}));
}

void refuses() {
  const D3dLaunch launch = {nullptr, 0, 1};
  auto status = [&](const D3dTextureLayout& layout, int64_t textures, const float* derivatives) {
    const D3dTextureParams params = {nullptr, nullptr, derivatives, nullptr, nullptr, textures, 0, 0, layout};
    return d3d_texture(&params, sizeof(params), &launch);
  };
  const D3dTextureLayout good = layout_of(D3D_TRILINEAR, D3D_CUBE, 4, 4, 3);
  CHECK(status(good, 1, nullptr) == D3D_OK);
  const float number = 0;
  CHECK(status(good, 1, &number) == D3D_INVALID_ARGUMENT);
  CHECK(status(good, 3, nullptr) == D3D_INVALID_ARGUMENT);
  auto refused = [&](auto change) {
    D3dTextureLayout bad = good;
    change(bad);
    return status(bad, 1, nullptr) == D3D_INVALID_ARGUMENT;
  };
  CHECK(refused([](D3dTextureLayout& l) { l.filter = 3; }));
  CHECK(refused([](D3dTextureLayout& l) { l.boundary = -1; }));
  CHECK(refused([](D3dTextureLayout& l) { l.num_levels = 17; }));
  CHECK(refused([](D3dTextureLayout& l) { l.num_levels = 0; }));
  CHECK(refused([](D3dTextureLayout& l) { l.num_channels = -1; }));
  CHECK(refused([](D3dTextureLayout& l) { l.widths[1] = 3; }));
  CHECK(refused([](D3dTextureLayout& l) { l.heights[0] = 0; }));
  CHECK(refused([](D3dTextureLayout& l) { l.offsets[2] += 1; }));
}

}  // namespace

int main() {
  RUN(nearest);
  RUN(bilinear);
  RUN(textures_per_view_and_channels);
  RUN(trilinear);
  RUN(differences);
  RUN(cube_faces);
  RUN(cube_seams);
  RUN(not_finite);
  RUN(sums_in_the_order_of_pixels);
  RUN(empty);
  RUN(refuses);
  return EXIT_STATUS;
}
