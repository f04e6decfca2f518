// Hand-computed pictures. In normalised device coordinates the 4 x 4 image has its top left corner at (-1, 1), and a
// pixel is 0.5 wide.
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "dream3d/api.h"
#include "dream3d/rasterize.h"

using namespace dream3d;

namespace {

struct Picture {
  std::vector<int32_t> id;
  std::vector<float> barycentrics, depth;
  int32_t status;
};

Picture draw(const std::vector<float>& positions, const std::vector<int32_t>& faces, int64_t height,
             int64_t width, int n_threads = 1, int64_t num_views = 1) {
  const size_t pixels = static_cast<size_t>(num_views * height * width);
  Picture picture = {std::vector<int32_t>(pixels, -7), std::vector<float>(2 * pixels, -7.0f),
                     std::vector<float>(pixels, -7.0f), 0};
  std::vector<uint64_t> z_buffer(pixels);
  const D3dRasterizeParams params = {positions.data(),
                                     faces.data(),
                                     picture.id.data(),
                                     picture.barycentrics.data(),
                                     picture.depth.data(),
                                     z_buffer.data(),
                                     num_views,
                                     static_cast<int64_t>(positions.size()) / 4 / num_views,
                                     static_cast<int64_t>(faces.size()) / 3,
                                     height,
                                     width};
  const D3dLaunch launch = {nullptr, 0, n_threads};
  picture.status = d3d_rasterize(&params, sizeof(params), &launch);
  CHECK(picture.status == D3D_OK);
  return picture;
}

// "01..": one character per pixel, '.' where nothing is seen.
std::string letters(const Picture& picture) {
  std::string text;
  for (int32_t id : picture.id) text += id < 0 ? '.' : static_cast<char>('0' + id);
  return text;
}

// The four corners of the image at depth z, w = 1: top left, top right, bottom left, bottom right.
std::vector<float> corners(float z = 0.0f) { return {-1, 1, z, 1, 1, 1, z, 1, -1, -1, z, 1, 1, -1, z, 1}; }

struct Random {  // a 64-bit linear congruential generator (Knuth)
  uint64_t state = 1;
  double uniform(double low, double high) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * static_cast<double>(state >> 11) / 9007199254740992.0;
  }
};

void diagonal_belongs_to_one_triangle() {
  // Centres with x + y = 4 lie exactly on the diagonal. It is a left edge of the lower triangle, which owns it.
  const std::string expected = "0001001101111111";
  CHECK(letters(draw(corners(), {0, 1, 2, 1, 3, 2}, 4, 4)) == expected);
  CHECK(letters(draw(corners(), {2, 1, 0, 2, 3, 1}, 4, 4)) == expected);  // winding does not matter
  CHECK(letters(draw(corners(), {0, 1, 2}, 4, 4)) == "000.00..0.......");
  CHECK(letters(draw(corners(), {1, 3, 2}, 4, 4)) == "...0..00.0000000");
}

void top_and_left_edges_own_their_centres() {
  // A square with corners at pixel centres (0.5, 0.5) and (2.5, 2.5) owns rows and columns 0 and 1.
  const float a = -0.75f, b = 0.25f;
  const std::vector<float> square = {a, -a, 0, 1, b, -a, 0, 1, a, -b, 0, 1, b, -b, 0, 1};
  const Picture picture = draw(square, {0, 1, 2, 1, 3, 2}, 4, 4);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) CHECK((picture.id[4 * y + x] >= 0) == (x < 2 && y < 2));
  }
}

void barycentrics_and_depth() {
  std::vector<float> positions = corners();
  positions[2] = 0.0f, positions[6] = 0.8f, positions[10] = -0.8f;  // z of the triangle 0, 1, 2
  const Picture picture = draw(positions, {0, 1, 2}, 4, 4);
  // pixel (x, y): weight of the top right corner (x + 0.5) / 4, of the bottom left one (y + 0.5) / 4
  CHECK_NEAR(picture.barycentrics[0], 0.75f, 1e-6f);
  CHECK_NEAR(picture.barycentrics[1], 0.125f, 1e-6f);
  CHECK_NEAR(picture.barycentrics[2 * 2], 0.25f, 1e-6f);
  CHECK_NEAR(picture.barycentrics[2 * 2 + 1], 0.625f, 1e-6f);
  CHECK_NEAR(picture.depth[2], 0.8f * 0.625f - 0.8f * 0.125f, 1e-6f);
  CHECK(picture.depth[15] == 1.0f);
  CHECK(picture.barycentrics[30] == 0.0f && picture.barycentrics[31] == 0.0f);
}

void weights_are_perspective_correct() {
  // One pixel whose centre halves the edge between w = 1 and w = 3: weights 1/2 : 1/6 = 3 : 1.
  const std::vector<float> positions = {-1, 0, 0, 1, 3, 0, 0, 3, 0, -100, 0, 1};
  const Picture picture = draw(positions, {0, 1, 2}, 1, 1);
  CHECK(picture.id[0] == 0);
  CHECK_NEAR(picture.barycentrics[0], 0.75f, 1e-6f);
  CHECK_NEAR(picture.barycentrics[1], 0.25f, 1e-6f);
}

void nearest_then_lowest_id() {
  std::vector<float> positions = corners(0.5f);
  const std::vector<float> near = corners(-0.5f);
  positions.insert(positions.end(), near.begin(), near.end());
  CHECK(letters(draw(positions, {0, 1, 2, 4, 5, 6}, 4, 4)) == "111.11..1.......");
  CHECK(letters(draw(positions, {4, 5, 6, 0, 1, 2}, 4, 4)) == "000.00..0.......");
  CHECK(letters(draw(positions, {0, 1, 2, 0, 1, 2}, 4, 4)) == "000.00..0.......");  // the same triangle twice
}

void near_plane_cuts() {
  // The top left corner is outside (z + w = -2), the others inside by 2: both its edges are cut in the middle, and the
  // new edge from (2, 0) to (0, 2) is a left edge.
  const std::vector<float> positions = {-1, 1, -3, 1, 1, 1, 1, 1, -1, -1, 1, 1};
  const Picture picture = draw(positions, {0, 1, 2}, 4, 4);
  CHECK(letters(picture) == ".00.00..0.......");
  CHECK_NEAR(picture.depth[1], -1.0f, 1e-6f);
  CHECK_NEAR(picture.depth[2], 0.0f, 1e-6f);  // a quarter of the way: -3 * 1/4 + 1 * 3/4
  CHECK_NEAR(picture.barycentrics[2 * 2], 0.25f, 1e-6f);
}

void far_plane_cuts() {
  const std::vector<float> positions = {-1, 1, 3, 1, 1, 1, -1, 1, -1, -1, -1, 1};
  CHECK(letters(draw(positions, {0, 1, 2}, 4, 4)) == ".00.00..0.......");
}

void vertex_behind_the_camera() {
  // Both triangles join the bottom edge of the image to a vertex with w = -1. Along the sides w falls to 0, where
  // x/w and y/w leave to infinity: downwards for (0, 0), so nothing is seen, and upwards for (0, 8), first along
  // (-1, -1), (-8/7, 0), ... on the left, so everything is.
  const std::vector<float> down = {-1, -1, 0, 1, 1, -1, 0, 1, 0, 0, 0, -1};
  CHECK(letters(draw(down, {0, 1, 2}, 4, 4)) == std::string(16, '.'));
  const std::vector<float> up = {-1, -1, 0, 1, 1, -1, 0, 1, 0, 8, 0, -1};
  CHECK(letters(draw(up, {0, 1, 2}, 4, 4)) == std::string(16, '0'));
}

void nothing_to_see() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const std::string empty(16, '.');
  CHECK(letters(draw(corners(), {}, 4, 4)) == empty);
  CHECK(letters(draw({}, {}, 4, 4)) == empty);
  CHECK(letters(draw(corners(), {0, 0, 1}, 4, 4)) == empty);
  CHECK(letters(draw(corners(), {1, 1, 1}, 4, 4)) == empty);
  CHECK(letters(draw(corners(), {0, 1, 4}, 4, 4)) == empty);
  CHECK(letters(draw(corners(), {0, 1, -1}, 4, 4)) == empty);
  for (float bad : {nan, inf, -inf}) {
    for (int at = 0; at < 12; ++at) {
      std::vector<float> positions = corners();
      positions[at] = bad;
      CHECK(letters(draw(positions, {0, 1, 2}, 4, 4)) == empty);
    }
  }
  CHECK(draw(corners(), {0, 1, 2}, 0, 4).id.empty());
  CHECK(draw(corners(), {0, 1, 2}, 4, 0).id.empty());
  CHECK(letters(draw({-1, 1, 0, 0, 1, 1, 0, 0, -1, -1, 0, 0}, {0, 1, 2}, 4, 4)) == empty);  // w = 0
}

void huge_triangles_cover_everything() {
  const float big = 1e30f;
  const std::vector<float> positions = {-big, big, 0, 1, big, big, 0, 1, 0, -big, 0, 1};
  const Picture picture = draw(positions, {0, 1, 2}, 70, 130);
  for (int32_t id : picture.id) CHECK(id == 0);
}

// Pieces by the plain definition: every pixel of the image against the three edge equations.
void spans_equal_the_edge_equations() {
  Random random;
  for (int round = 0; round < 100; ++round) {
    const double reach = round % 3 == 0 ? 60.0 : (round % 3 == 1 ? 1.2 : 0.05);
    const double cx = random.uniform(-1, 1), cy = random.uniform(-1, 1);
    std::vector<float> positions;
    ProjectedVertex projected[3];
    ClipVertex vertices[3];
    for (int i = 0; i < 3; ++i) {
      const float x = static_cast<float>(clamp_to(cx + random.uniform(-reach, reach), -63.0, 63.0));
      const float y = static_cast<float>(clamp_to(cy + random.uniform(-reach, reach), -63.0, 63.0));
      positions.insert(positions.end(), {x, y, 0.0f, 1.0f});
      vertices[i] = {x, y, 0.0, 1.0};
      projected[i] = project_vertex(vertices[i], 97, 75);
    }
    std::vector<int32_t> expected(75 * 97, -1);
    for_each_piece(vertices, projected, 0, 97, 75, [&](const Piece& piece) {
      EdgeEquation edges[3];
      make_edges(piece, edges);
      for (int y = 0; y < 75; ++y) {
        for (int x = 0; x < 97; ++x) {
          bool inside = true;
          for (const EdgeEquation& edge : edges) inside = inside && edge_covers(edge, x, y);
          if (inside) {
            expected[97 * y + x] = 0;
            CHECK(piece.x0 <= x && x <= piece.x1 && piece.y0 <= y && y <= piece.y1);
          }
        }
      }
    });
    CHECK(draw(positions, {0, 1, 2}, 75, 97).id == expected);
  }
}

void same_bits_for_any_thread_count() {
  Random random;
  const int num_views = 3, num_vertices = 900;
  std::vector<float> positions;
  for (int i = 0; i < num_views * num_vertices; ++i) {
    const double w = random.uniform(-0.3, 2.0);
    for (int axis = 0; axis < 3; ++axis) positions.push_back(static_cast<float>(random.uniform(-2.0, 2.0)));
    positions.push_back(static_cast<float>(w));
  }
  std::vector<int32_t> faces;
  for (int i = 0; i < 3 * 2500; ++i) faces.push_back(static_cast<int32_t>(random.uniform(0, num_vertices)));
  const Picture serial = draw(positions, faces, 150, 131, 1, num_views);
  for (int n_threads : {2, 5}) {
    const Picture parallel = draw(positions, faces, 150, 131, n_threads, num_views);
    CHECK(serial.id == parallel.id);
    CHECK(serial.depth == parallel.depth);
    CHECK(serial.barycentrics == parallel.barycentrics);
  }
}

void refusals_name_their_reason() {
  D3dRasterizeParams params = {};
  const D3dLaunch launch = {nullptr, 0, 1};
  params.num_views = 1, params.height = kMaxImageSize + 1, params.width = 1;
  CHECK(d3d_rasterize(&params, sizeof(params), &launch) == D3D_INVALID_ARGUMENT);
  CHECK(std::strstr(d3d_last_error(), "32768") != nullptr);
  CHECK(d3d_rasterize(&params, sizeof(params) - 8, &launch) == D3D_ABI_MISMATCH);
  CHECK(d3d_rasterize(nullptr, sizeof(params), &launch) == D3D_ABI_MISMATCH);
  CHECK(d3d_device_count() == 1);
}

}  // namespace

int main() {
  RUN(diagonal_belongs_to_one_triangle);
  RUN(top_and_left_edges_own_their_centres);
  RUN(barycentrics_and_depth);
  RUN(weights_are_perspective_correct);
  RUN(nearest_then_lowest_id);
  RUN(near_plane_cuts);
  RUN(far_plane_cuts);
  RUN(vertex_behind_the_camera);
  RUN(nothing_to_see);
  RUN(huge_triangles_cover_everything);
  RUN(spans_equal_the_edge_equations);
  RUN(same_bits_for_any_thread_count);
  RUN(refusals_name_their_reason);
  return EXIT_STATUS;
}
