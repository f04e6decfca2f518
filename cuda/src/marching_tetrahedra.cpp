#include "dream3d/marching_tetrahedra.h"

#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 128;  // groups per task

// Calls body(group, first tetrahedron, end) for all groups.
template <class Body>
void for_groups(const D3dMarchingTetrahedraParams& p, int n_threads, const Body& body) {
  const int64_t num_groups = (p.num_tets + D3D_TET_GROUP - 1) / D3D_TET_GROUP;
  parallel_for_chunks(num_groups, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      body(group, group * D3D_TET_GROUP, min_of((group + 1) * D3D_TET_GROUP, p.num_tets));
    }
  });
}

void count_triangles(const D3dMarchingTetrahedraParams& p, int n_threads) {
  for_groups(p, n_threads, [&](int64_t group, int64_t begin, int64_t end) {
    int32_t total = 0, worst = 0;
    for (int64_t tet = begin; tet < end; ++tet) {
      uint32_t inside;
      const int32_t count = tet_classify(p, tet, inside);
      total += count;
      worst = worst == D3D_TET_BAD_INDEX || count >= 0 ? worst : count;
    }
    p.counts[group] = worst < 0 ? worst : total;
  });
}

void write_triangles(const D3dMarchingTetrahedraParams& p, int n_threads) {
  for_groups(p, n_threads, [&](int64_t group, int64_t begin, int64_t end) {
    if (p.counts[group] <= 0) return;
    int64_t triangle = p.starts[group];
    for (int64_t tet = begin; tet < end; ++tet) {
      uint32_t inside;
      const int32_t count = tet_classify(p, tet, inside);
      tet_write(p, tet, inside, count, triangle);
      triangle += count;
    }
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_marching_tetrahedra_count(const D3dMarchingTetrahedraParams* params,
                                                 size_t params_size, const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size,
                      [&](const D3dMarchingTetrahedraParams& p) { count_triangles(p, launch->n_threads); });
}

extern "C" int32_t d3d_marching_tetrahedra_write(const D3dMarchingTetrahedraParams* params,
                                                 size_t params_size, const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size,
                      [&](const D3dMarchingTetrahedraParams& p) { write_triangles(p, launch->n_threads); });
}
