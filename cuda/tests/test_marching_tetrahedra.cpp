// The 16 cases by hand, their orientation by geometry, and what the groups do with many or broken tetrahedra.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.h"
#include "dream3d/api.h"

namespace {

using Indices = std::vector<int32_t>;
using Keys = std::vector<int64_t>;

struct Surface {
  int32_t status;
  Indices counts;
  Keys corner_edges;
};

Surface march(const std::vector<float>& sdf, const Indices& tets, int n_threads = 1) {
  const size_t num_tets = tets.size() / 4;
  Surface surface = {0, Indices((num_tets + D3D_TET_GROUP - 1) / D3D_TET_GROUP, -7), {}};
  D3dMarchingTetrahedraParams params = {};
  params.sdf = sdf.data();
  params.tets = tets.data();
  params.counts = surface.counts.data();
  params.num_vertices = static_cast<int64_t>(sdf.size());
  params.num_tets = static_cast<int64_t>(num_tets);
  const D3dLaunch launch = {nullptr, 0, n_threads};
  surface.status = d3d_marching_tetrahedra_count(&params, sizeof(params), &launch);
  Keys starts;
  int64_t total = 0;
  for (int32_t count : surface.counts) {
    if (count < 0 || surface.status != D3D_OK) return surface;
    starts.push_back(total);
    total += count;
  }
  surface.corner_edges.assign(3 * static_cast<size_t>(total), -7);
  params.starts = starts.data();
  params.corner_edges = surface.corner_edges.data();
  surface.status = d3d_marching_tetrahedra_write(&params, sizeof(params), &launch);
  return surface;
}

std::vector<float> signs(int inside) {
  std::vector<float> sdf(4, 1.0f);
  for (int i = 0; i < 4; ++i) {
    if ((inside >> i & 1) != 0) sdf[static_cast<size_t>(i)] = -1.0f;
  }
  return sdf;
}

// An edge of the tetrahedron 0 1 2 3 is 4 * smaller + larger index.
enum { e01 = 1, e02 = 2, e03 = 3, e12 = 6, e13 = 7, e23 = 11 };

// Vertices 0 to 3 are the origin and the ends of the axes x, y and z; drawn by hand, seen from outside. The first
// corner of a triangle, and the diagonal of a quad, are what the kernel chose.
const std::vector<Keys> kCases = {
    {},
    {e01, e02, e03},                 // the origin is inside: the triangle faces (1, 1, 1)
    {e01, e13, e12},                 // x is: faces away from it
    {e02, e03, e13, e02, e13, e12},  // the x axis is
    {e23, e02, e12},                 // y
    {e03, e01, e12, e03, e12, e23},  // the y axis
    {e01, e13, e23, e01, e23, e02},  // x and y: faces the z axis
    {e03, e13, e23},                 // all but z
    {e23, e13, e03},                 // z: the opposite of case 7
    {e01, e02, e23, e01, e23, e13},  // the z axis
    {e12, e01, e03, e12, e03, e23},  // x and z: the opposite of the y axis
    {e12, e02, e23},                 // all but y
    {e02, e12, e13, e02, e13, e03},  // y and z: the opposite of the x axis
    {e12, e13, e01},                 // all but x
    {e03, e02, e01},                 // all but the origin
    {},
};

void cases_by_hand() {
  for (int inside = 0; inside < 16; ++inside) {
    const Surface surface = march(signs(inside), {0, 1, 2, 3});
    CHECK(surface.status == D3D_OK);
    CHECK(surface.corner_edges == kCases[static_cast<size_t>(inside)]);
    CHECK(surface.counts == Indices{static_cast<int32_t>(surface.corner_edges.size() / 3)});
  }
}

// Middles of the edges as points: the normal of every triangle points from the middle of the inside vertices to that
// of the outside ones, for all 12 right-handed orders of the vertices.
void triangles_face_outwards() {
  const double points[4][3] = {{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  int num_triangles = 0;
  for (int order = 0; order < 256; ++order) {
    const int32_t v[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3};
    int swaps = 0;
    bool is_permutation = true;
    for (int i = 0; i < 4; ++i) {
      for (int j = i + 1; j < 4; ++j) {
        swaps += v[i] > v[j];
        is_permutation = is_permutation && v[i] != v[j];
      }
    }
    if (!is_permutation || swaps % 2 != 0) continue;
    for (int inside = 1; inside < 15; ++inside) {
      const Surface surface = march(signs(inside), {v[0], v[1], v[2], v[3]});
      double outwards[3] = {0, 0, 0};
      const int count = __builtin_popcount(static_cast<unsigned>(inside));
      for (int i = 0; i < 4; ++i) {
        const double weight = (inside >> i & 1) != 0 ? -1.0 / count : 1.0 / (4 - count);
        for (int axis = 0; axis < 3; ++axis) outwards[axis] += weight * points[i][axis];
      }
      for (size_t t = 0; t < surface.corner_edges.size(); t += 3, ++num_triangles) {
        double p[3][3];
        for (size_t c = 0; c < 3; ++c) {
          const int64_t a = surface.corner_edges[t + c] / 4, b = surface.corner_edges[t + c] % 4;
          CHECK(a < b && (inside >> a & 1) != (inside >> b & 1));
          for (int axis = 0; axis < 3; ++axis) p[c][axis] = 0.5 * (points[a][axis] + points[b][axis]);
        }
        double dot = 0;
        for (int x = 0; x < 3; ++x) {
          const int y = (x + 1) % 3, z = (x + 2) % 3;
          dot += outwards[x] *
                 ((p[1][y] - p[0][y]) * (p[2][z] - p[0][z]) - (p[1][z] - p[0][z]) * (p[2][y] - p[0][y]));
        }
        CHECK(dot > 0.1);
      }
    }
  }
  CHECK(num_triangles == 12 * (8 + 2 * 6));
}

void zero_is_outside() {
  CHECK(march({0.0f, -0.0f, 0.0f, 0.0f}, {0, 1, 2, 3}).corner_edges.empty());
  CHECK(march({-1e-45f, -0.0f, 0.0f, 0.0f}, {0, 1, 2, 3}).corner_edges == kCases[1]);
}

// Groups: many tetrahedra come in order whatever their group, for any number of threads.
void many_tetrahedra() {
  for (size_t num_tets : {size_t{31}, size_t{32}, size_t{33}, size_t{10000}}) {
    std::vector<float> sdf;
    uint32_t noise = 1;
    for (int i = 0; i < 50; ++i) {
      noise = noise * 1664525u + 1013904223u;
      sdf.push_back((noise >> 31) != 0 ? -1.0f : 1.0f);
    }
    Indices tets;
    Keys expected;
    for (size_t k = 0; k < num_tets; ++k) {
      Indices tet;
      for (int i = 0; i < 4; ++i) {
        noise = noise * 1664525u + 1013904223u;
        tet.push_back(static_cast<int32_t>((noise >> 16) % 50));
      }
      tets.insert(tets.end(), tet.begin(), tet.end());
      int inside = 0;
      for (size_t i = 0; i < 4; ++i) inside |= (sdf[static_cast<size_t>(tet[i])] < 0.0f) << i;
      for (int64_t key : kCases[static_cast<size_t>(inside)]) {
        const int64_t a = tet[static_cast<size_t>(key / 4)], b = tet[static_cast<size_t>(key % 4)];
        expected.push_back(50 * std::min(a, b) + std::max(a, b));
      }
    }
    for (int n_threads : {1, 2, 5}) {
      const Surface surface = march(sdf, tets, n_threads);
      CHECK(surface.status == D3D_OK);
      CHECK(surface.corner_edges == expected);
    }
  }
}

void broken_input_is_counted_as_such() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (int32_t bad : {-1, 4, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
    CHECK(march(signs(1), {0, 1, 2, bad}).counts == Indices{D3D_TET_BAD_INDEX});
  }
  for (float bad : {nan, inf, -inf}) {
    CHECK(march({1.0f, -1.0f, bad, 1.0f}, {0, 1, 2, 3}).counts == Indices{D3D_TET_NOT_FINITE});
    CHECK(march({1.0f, -1.0f, 1.0f, 1.0f, bad}, {0, 1, 2, 3}).counts == Indices{1});  // nobody reads it
  }
  CHECK(march({nan, 1.0f, 1.0f, 1.0f}, {0, 1, 2, 3, 9, 0, 0, 0}).counts == Indices{D3D_TET_BAD_INDEX});
  CHECK(march({nan, 1.0f, 1.0f, 1.0f}, {9, 0, 0, 0, 0, 1, 2, 3}).counts == Indices{D3D_TET_BAD_INDEX});
  const float huge = std::numeric_limits<float>::max();
  CHECK(march({-huge, huge, huge, huge}, {0, 1, 2, 3}).counts == Indices{1});
}

void nothing_at_all() {
  CHECK(march({}, {}).status == D3D_OK);
  CHECK(march({}, {0, 0, 0, 0}).counts == Indices{D3D_TET_BAD_INDEX});
}

}  // namespace

int main() {
  RUN(cases_by_hand);
  RUN(triangles_face_outwards);
  RUN(zero_is_outside);
  RUN(many_tetrahedra);
  RUN(broken_input_is_counted_as_such);
  RUN(nothing_at_all);
  return EXIT_STATUS;
}
