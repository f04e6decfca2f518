// Sums what pixels give to the vertices they see, with the same bits for any number of threads. Host only.
//
// Neighbouring pixels that see the same triangle (a run) are summed first, in parallel; runs end with a row of
// kScatterChunk pixels wherever that lies. Then every task owns a range of vertices and adds the runs in order, only
// what is its own: no atomics, and few additions when triangles are larger than pixels.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "dream3d/corners.h"
#include "dream3d/parallel.h"

namespace dream3d {

constexpr int64_t kScatterChunk = 2048;  // pixels per task
constexpr int64_t kScatterFloats = int64_t{1}
                                   << 21;  // sums kept at once, at most: they should stay in the cache
constexpr int64_t kScatterBatch = 64;      // chunks kept at once, at most

// The runs of one chunk of pixels: room for as many as there are pixels, of which most is never touched.
struct Runs {
  explicit Runs(int64_t width)
      : rows(new int64_t[3 * kScatterChunk]), sums(new float[3 * kScatterChunk * width]) {}

  std::unique_ptr<int64_t[]> rows;  // [kScatterChunk, 3]
  std::unique_ptr<float[]> sums;    // [kScatterChunk, 3, width]
  int64_t count = 0;
};

// Calls visit(view, begin, end) for the runs of pixels [begin, end), counted over all views.
template <class Params, class Visit>
void for_each_run(const Params& p, int64_t pixels_per_view, int64_t begin, int64_t end, const Visit& visit) {
  int64_t view = begin / pixels_per_view;
  for (int64_t last; begin < end; begin = last) {
    view += begin == (view + 1) * pixels_per_view;
    const int64_t stop = std::min(end, (view + 1) * pixels_per_view);
    for (last = begin + 1; last < stop && p.triangle_id[last] == p.triangle_id[begin];) ++last;
    visit(view, begin, last);
  }
}

// add_run(begin, end, rows, sums) adds what pixels [begin, end), which see the same triangle of the same view, give to
// its three vertices: rows are theirs, sums is [3, width] and zero. Both are null where nothing is seen.
template <class Params, class Width, class AddRun>
void collect_runs(const Params& p, int64_t pixels_per_view, bool has_set_per_view, Width width, int64_t begin,
                  int64_t end, const AddRun& add_run, Runs& runs) {
  runs.count = 0;
  for_each_run(p, pixels_per_view, begin, end, [&](int64_t view, int64_t first, int64_t last) {
    int64_t* rows = runs.rows.get() + 3 * runs.count;
    if (!load_corner_rows(p, first, has_set_per_view ? view : 0, rows)) {
      return add_run(first, last, nullptr, nullptr);
    }
    float* sums = runs.sums.get() + 3 * width * runs.count++;
    std::fill_n(sums, 3 * width, 0.0f);
    add_run(first, last, rows, sums);
  });
}

// Adds the runs, in order, to the rows of out [any, width] from `begin` to `end`.
template <class Width>
void add_runs(const Runs& runs, Width width, int64_t begin, int64_t end, float* out) {
  for (int64_t i = 0; i < 3 * runs.count; ++i) {
    if (runs.rows[i] < begin || runs.rows[i] >= end) continue;
    const float* sum = runs.sums.get() + i * width;
    float* row = out + runs.rows[i] * width;
    for (int64_t c = 0; c < width; ++c) row[c] += sum[c];
  }
}

// Overwrites out [num_sets, V, width]; with one set, the views share it. Width is an integer or a
// std::integral_constant.
template <class Params, class Width, class AddRun>
void scatter_to_vertices(const Params& p, int64_t pixels_per_view, int64_t num_sets, Width width, float* out,
                         int n_threads, const AddRun& add_run) {
  const int64_t num_rows = num_sets * p.num_vertices;
  const int64_t num_pixels = p.num_views * pixels_per_view;
  if (num_rows * width == 0) return;
  std::fill_n(out, num_rows * width, 0.0f);
  const int64_t fitting = kScatterFloats / (kScatterChunk * 3 * width);
  const int64_t num_chunks = (num_pixels + kScatterChunk - 1) / kScatterChunk;
  const int64_t batch = std::min(
      num_chunks, std::clamp<int64_t>(fitting, std::min<int64_t>(n_threads, kScatterBatch), kScatterBatch));
  const int64_t shard = (num_rows + n_threads - 1) / n_threads;
  std::vector<Runs> chunks;
  for (int64_t i = 0; i < batch; ++i) chunks.emplace_back(width);
  for (int64_t first = 0; first < num_chunks; first += batch) {
    const int64_t count = std::min(batch, num_chunks - first);
    parallel_for(count, n_threads, [&](int64_t chunk) {
      const int64_t begin = (first + chunk) * kScatterChunk;
      const int64_t end = std::min(begin + kScatterChunk, num_pixels);
      collect_runs(p, pixels_per_view, num_sets > 1, width, begin, end, add_run, chunks[chunk]);
    });
    parallel_for_chunks(num_rows, shard, n_threads, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = 0; chunk < count; ++chunk) add_runs(chunks[chunk], width, begin, end, out);
    });
  }
}

}  // namespace dream3d
