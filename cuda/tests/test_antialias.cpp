// Pictures of a few pixels whose edges are placed by hand, in pixels; clip space is made of them.
#include <limits>
#include <vector>

#include "check.h"
#include "dream3d/antialias.h"
#include "dream3d/api.h"

namespace {

constexpr int64_t kWidth = 4, kHeight = 2;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
const D3dLaunch kLaunch = {nullptr, 0, 2};

using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

// Pixels (from the left, from the top) and depth z/w to clip space.
void add_vertex(Floats& positions, float x, float y, float depth = 0.0f, float w = 1.0f) {
  const float clip[4] = {(x / kWidth * 2 - 1) * w, (1 - y / kHeight * 2) * w, depth * w, w};
  positions.insert(positions.end(), clip, clip + 4);
}

struct Edges {
  Ints edge;
  Floats crossing;
};

Edges find_edges(const Floats& positions, const Ints& faces, const Ints& neighbors, const Ints& ids,
                 const Floats& depth) {
  Edges out = {Ints(2 * ids.size(), -7), Floats(2 * ids.size(), -7.0f)};
  const D3dAntialiasEdgesParams params = {positions.data(),
                                          faces.data(),
                                          neighbors.data(),
                                          ids.data(),
                                          depth.data(),
                                          out.edge.data(),
                                          out.crossing.data(),
                                          1,
                                          static_cast<int64_t>(positions.size() / 4),
                                          static_cast<int64_t>(faces.size() / 3),
                                          kHeight,
                                          kWidth};
  CHECK(d3d_antialias_edges(&params, sizeof(params), &kLaunch) == D3D_OK);
  return out;
}

struct Gradients {
  Floats image, positions;
};

Gradients gradients(const Floats& upstream, const Floats& image, const Floats& positions, const Ints& faces,
                    const Ints& ids, const Edges& edges, int32_t exact) {
  Gradients out = {Floats(image.size(), -7.0f), Floats(positions.size(), -7.0f)};
  const D3dAntialiasBackwardParams params = {upstream.data(),
                                             image.data(),
                                             positions.data(),
                                             faces.data(),
                                             ids.data(),
                                             edges.edge.data(),
                                             edges.crossing.data(),
                                             out.image.data(),
                                             out.positions.data(),
                                             1,
                                             static_cast<int64_t>(positions.size() / 4),
                                             static_cast<int64_t>(faces.size() / 3),
                                             kHeight,
                                             kWidth,
                                             1,
                                             exact};
  CHECK(d3d_antialias_backward(&params, sizeof(params), &kLaunch) == D3D_OK);
  return out;
}

Floats blend(const Floats& image, const Edges& edges) {
  Floats out(image.size(), -7.0f);
  const D3dAntialiasParams params = {
      image.data(), edges.edge.data(), edges.crossing.data(), out.data(), 1, kHeight, kWidth, 1};
  CHECK(d3d_antialias(&params, sizeof(params), &kLaunch) == D3D_OK);
  return out;
}

const Ints kLeftHalf = {0, 0, -1, -1, 0, 0, -1, -1};
const Floats kDepths(8, 0.0f);
const Floats kImage = {1, 4, 8, 16, 2, 5, 7, 9};

// Everything left of x: the edge from vertex 0 to 1.
Floats left_of(float x, float w = 1.0f) {
  Floats positions;
  add_vertex(positions, x, -10.0f, 0.0f, w);
  add_vertex(positions, x, 12.0f);
  add_vertex(positions, -30.0f, 1.0f);
  return positions;
}

void an_upright_edge_is_blended() {
  const Ints face = {0, 1, 2}, alone = {-1, -1, -1};
  for (const float x : {1.75f, 2.25f}) {  // before and past the middle between the centres 1.5 and 2.5
    const Edges edges = find_edges(left_of(x), face, alone, kLeftHalf, kDepths);
    const Ints expected = {-1, -1, 0, -1, -1, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1};
    CHECK(edges.edge == expected);
    CHECK(edges.crossing[2] == x - 1.5f && edges.crossing[10] == x - 1.5f && edges.crossing[0] == 0.0f);
    const Floats near = {1, 5, 8, 16, 2, 5.5f, 7, 9};  // a quarter of pixel 1 shows its right neighbour
    const Floats far = {1, 4, 7, 16, 2, 5, 6.5f, 9};   // a quarter of pixel 2 shows its left neighbour
    CHECK(blend(kImage, edges) == (x < 2 ? near : far));
  }
}

void its_gradient_goes_to_both_ends() {
  const Ints face = {0, 1, 2}, alone = {-1, -1, -1};
  const Floats upstream = {100, 3, 10, 100, 0, 0, 0, 0};  // only the upper row counts
  const float t = 10.5f / 22.0f;                          // where the row at 0.5 cuts the edge from -10 to 12
  for (const float w : {1.0f, 2.0f}) {
    // In pixels the edge from (x, -10) to (x, 12) crosses at (1 - t) x_0 + t x_1, where x = 2 (x_clip / w) +
    // 2; with exact, the derivative is that of both pixels by 0.75 and 0.25.
    const Floats positions = left_of(1.75f, w);
    const Edges edges = find_edges(positions, face, alone, kLeftHalf, kDepths);
    CHECK_NEAR(edges.crossing[2], 0.25f, 1e-6f);
    for (const int32_t exact : {0, 1}) {
      const float motion = (exact ? 0.75f * 3 + 0.25f * 10 : 3.0f) * (4 - 8);
      const Gradients grad = gradients(upstream, kImage, positions, face, kLeftHalf, edges, exact);
      const Floats expected = {motion * (1 - t) * 2 / w,
                               0,
                               0,
                               motion * (1 - t) * 2 * 0.125f / w,
                               motion * t * 2,
                               0,
                               0,
                               motion * t * 2 * 0.125f,
                               0,
                               0,
                               0,
                               0};
      for (int i = 0; i < 12; ++i) CHECK_NEAR(grad.positions[i], expected[i], 1e-5f);
    }
    const Gradients grad = gradients(upstream, kImage, positions, face, kLeftHalf, edges, 0);
    const Floats expected = {100, 2.25f, 10.75f, 100, 0, 0, 0, 0};
    CHECK(grad.image == expected);
  }
}

void a_level_edge_goes_to_the_pair_below() {
  Floats positions;
  add_vertex(positions, -20.0f, 0.75f);
  add_vertex(positions, 24.0f, 0.75f);
  add_vertex(positions, 2.0f, -30.0f);
  const Ints ids = {0, 0, 0, 0, -1, -1, -1, -1};
  const Edges edges = find_edges(positions, {0, 1, 2}, {-1, -1, -1}, ids, kDepths);
  const Floats blended = blend(kImage, edges);
  for (int i = 0; i < 4; ++i) {
    CHECK(edges.edge[2 * i] == D3D_NO_EDGE && edges.edge[2 * i + 1] == 0);
    CHECK_NEAR(edges.crossing[2 * i + 1], 0.25f, 1e-6f);
    CHECK_NEAR(blended[i], 0.75f * kImage[i] + 0.25f * kImage[i + 4], 1e-5f);
    CHECK(blended[i + 4] == kImage[i + 4]);
  }
}

// Two triangles share the upright edge 0 1 at x = 1.6; the second one ends at `tip`.
void surfaces_are_followed() {
  const Ints faces = {0, 1, 2, 1, 0, 3}, neighbors = {3, -1, -1, 0, -1, -1};
  for (const float tip : {40.0f, -40.0f}) {
    Floats positions = left_of(1.6f);
    add_vertex(positions, tip, 1.0f);
    // Going on to the right, it covers the other pixel, which must see something nearer; folded back, it
    // ends.
    const Edges edges = find_edges(positions, faces, neighbors, kLeftHalf, kDepths);
    CHECK(edges.edge[2] == (tip > 0 ? D3D_NO_EDGE : 0));
  }
  // A sliver from x = 1.6 to 1.9, which no centre sees, has the silhouette: half-edge 4, from vertex 0 to 3.
  Floats positions = left_of(1.6f);
  add_vertex(positions, 1.9f, 12.0f);
  positions[0] = (1.9f / kWidth * 2 - 1);  // vertex 0 and 3 are an upright edge at 1.9
  const Edges edges = find_edges(positions, faces, neighbors, kLeftHalf, kDepths);
  CHECK(edges.edge[2] == 4 && edges.edge[10] == 4);
  CHECK_NEAR(edges.crossing[2], 0.4f, 1e-6f);
  // The pixels see both triangles of one surface: nothing separates them.
  const Ints both = {0, 0, 1, 1, 0, 0, 1, 1};
  CHECK(find_edges(positions, faces, neighbors, both, kDepths).edge == Ints(16, D3D_NO_EDGE));
}

void the_nearer_edge_wins() {
  Floats positions = left_of(2.0f), right;
  add_vertex(positions, 1.75f, -10.0f);
  add_vertex(positions, 1.75f, 12.0f);
  add_vertex(positions, 40.0f, 1.0f);
  const Ints faces = {0, 1, 2, 3, 4, 5}, alone(6, -1), ids = {0, 0, 1, 1, 0, 0, 1, 1};
  for (const bool left_is_nearer : {true, false}) {
    Floats depth(8, 0.5f);
    for (int i = 0; i < 8; ++i) depth[i] = (ids[i] == 0) == left_is_nearer ? -0.5f : 0.5f;
    const Edges edges = find_edges(positions, faces, alone, ids, depth);
    CHECK(edges.edge[2] == (left_is_nearer ? 0 : 3));
    CHECK_NEAR(edges.crossing[2], left_is_nearer ? 0.5f : 0.25f, 1e-6f);
  }
}

// Two planes that cover the picture: depths 0.1 (x - 2) and 0.01 - 0.1 (x - 2) are equal at x = 2.05.
void surfaces_pass_through_each_other() {
  Floats positions;
  const float x[3] = {-4.0f, 12.0f, 2.0f}, y[3] = {-4.0f, -4.0f, 12.0f};
  for (int i = 0; i < 3; ++i) add_vertex(positions, x[i], y[i], 0.1f * (x[i] - 2));
  for (int i = 0; i < 3; ++i) add_vertex(positions, x[i], y[i], 0.01f - 0.1f * (x[i] - 2));
  const Ints faces = {0, 1, 2, 3, 4, 5}, alone(6, -1), ids = {0, 0, 1, 1, 0, 0, 1, 1};
  const Floats depth = {-0.15f, -0.05f, -0.04f, -0.14f, -0.15f, -0.05f, -0.04f, -0.14f};
  const Edges edges = find_edges(positions, faces, alone, ids, depth);
  CHECK(edges.edge[2] == D3D_INTERSECTION && edges.edge[10] == D3D_INTERSECTION &&
        edges.edge[0] == D3D_NO_EDGE);
  CHECK_NEAR(edges.crossing[2], 0.55f, 1e-5f);
  const Floats upstream = {0, 5, 1, 0, 0, 0, 0, 0};
  const Gradients grad = gradients(upstream, kImage, positions, faces, ids, edges, 0);
  // The far side of the step, 0.05 past the middle, is in pixel 2: it moves by (4 - 8) per pixel. Lifting the
  // first plane by 1 moves the crossing by -1 / 0.2; moving it to the right by 2 pixels (1 in clip space)
  // lowers it by 0.2.
  double z[2] = {0, 0}, right[2] = {0, 0};
  for (int i = 0; i < 6; ++i) z[i / 3] += grad.positions[4 * i + 2], right[i / 3] += grad.positions[4 * i];
  CHECK_NEAR(z[0], 20.0, 1e-3);
  CHECK_NEAR(z[1], -20.0, 1e-3);
  CHECK_NEAR(right[0], -4.0, 1e-3);
  CHECK_NEAR(right[1], -4.0, 1e-3);
  // Nearly parallel planes are left alone.
  for (int i = 0; i < 3; ++i) positions[4 * (i + 3) + 2] = 0.099f * (x[i] - 2);
  CHECK(find_edges(positions, faces, alone, ids, depth).edge == Ints(16, D3D_NO_EDGE));
}

// The third corner is behind the camera, to the right of its image: what is seen lies left of the edge, and
// the edge to that corner, which meets the row far to the right on paper, is not what ends it.
void a_surface_that_passes_the_camera_ends_at_its_edge() {
  Floats positions = left_of(1.75f);
  positions.resize(8);
  add_vertex(positions, 30.0f, 1.0f, 0.0f, -1.0f);
  const Edges edges = find_edges(positions, {0, 1, 2}, {-1, -1, -1}, kLeftHalf, kDepths);
  CHECK(edges.edge[2] == 0);
  CHECK_NEAR(edges.crossing[2], 0.25f, 1e-6f);
}

void bad_input_has_no_edge() {
  const Ints none(16, D3D_NO_EDGE), face = {0, 1, 2}, alone = {-1, -1, -1};
  const Floats good = left_of(1.75f);
  Floats behind = good, broken = good;
  behind[3] = -1.0f;
  broken[9] = kNan;
  CHECK(find_edges(behind, face, alone, kLeftHalf, kDepths).edge == none);
  CHECK(find_edges(broken, face, alone, kLeftHalf, kDepths).edge == none);
  CHECK(find_edges(good, {0, 1, 7}, alone, kLeftHalf, kDepths).edge == none);
  CHECK(find_edges(good, face, {30, 30, 30}, kLeftHalf, kDepths).edge == none);
  CHECK(find_edges(good, face, alone, {5, 5, -1, 9, 5, 5, -1, 9}, kDepths).edge == none);
  // What a pixel does not show of its neighbour cannot spoil it.
  Floats image = kImage;
  image[1] = kNan;
  const Floats blended = blend(image, find_edges(good, face, alone, kLeftHalf, kDepths));
  CHECK(blended[0] == 1.0f && blended[2] == 8.0f && std::isnan(blended[1]));
}

// The CPU library decides most pairs by a shortcut: on crumpled sheets, with pixels that see any triangle, it must say
// what the walk says.
void shortcuts_agree_with_the_walk() {
  uint64_t state = 1;
  const auto uniform = [&](double low, double high) {  // a linear congruential generator (Knuth)
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(low + (high - low) * static_cast<double>(state >> 11) / 9007199254740992.0);
  };
  const Ints faces = {0, 1, 3, 4, 3, 1, 1, 2, 4, 5, 4, 2};  // three by two corners
  const Ints sheet = {-1, 4, -1, -1, 1, 8, -1, 10, 5, -1, 7, -1};
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    Floats positions;
    for (int corner = 0; corner < 6; ++corner) {
      add_vertex(positions, corner % 3 * 2.0f + uniform(-2, 2), corner / 3 * 2.0f + uniform(-2, 2),
                 uniform(-1, 1), round % 5 == 0 ? uniform(-0.2, 1) : uniform(0.5, 2));
    }
    if (round % 50 == 0) positions[round % 24] = kNan;
    Ints neighbors = sheet;  // or glued at random, also at two edges
    for (int32_t& twin : neighbors) twin = round % 4 == 0 ? static_cast<int32_t>(uniform(0, 13)) - 1 : twin;
    Ints ids;
    Floats depth;
    for (int pixel = 0; pixel < 8; ++pixel) {
      ids.push_back(static_cast<int32_t>(uniform(0, 5)) - 1);
      depth.push_back(uniform(-1, 1));
    }
    const Edges edges = find_edges(positions, faces, neighbors, ids, depth);
    Edges expected = {Ints(16, -7), Floats(16, -7.0f)};
    const D3dAntialiasEdgesParams params = {
        positions.data(),     faces.data(),         neighbors.data(),         ids.data(),
        depth.data(),         expected.edge.data(), expected.crossing.data(), 1,
        6,                    4,                    kHeight,                  kWidth};
    for (int64_t pixel = 0; pixel < 8; ++pixel) {
      dream3d::find_pixel_edges(params, pixel, dream3d::place_of(pixel, kHeight, kWidth));
    }
    CHECK(edges.edge == expected.edge && edges.crossing == expected.crossing);
    for (int32_t edge : edges.edge) found += edge != D3D_NO_EDGE;
  }
  CHECK(found > 1000);
}

}  // namespace

int main() {
  RUN(an_upright_edge_is_blended);
  RUN(its_gradient_goes_to_both_ends);
  RUN(a_level_edge_goes_to_the_pair_below);
  RUN(surfaces_are_followed);
  RUN(the_nearer_edge_wins);
  RUN(surfaces_pass_through_each_other);
  RUN(a_surface_that_passes_the_camera_ends_at_its_edge);
  RUN(bad_input_has_no_edge);
  RUN(shortcuts_agree_with_the_walk);
  return EXIT_STATUS;
}
