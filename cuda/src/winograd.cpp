#include "dream3d/winograd.h"

#include <algorithm>
#include <memory>
#include <type_traits>

#include "dream3d/api.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunkTiles = 128;  // few, so that what is between input and output stays in the cache
constexpr int64_t kTaskTiles = 8;

// Tiles [first, first + count) of all images, and what is computed of them between input and output.
struct Chunk {
  const D3dWinogradConvParams& p;
  int64_t down, across;  // tiles of an image
  int64_t first, count;
  const float* zeros;  // [C], the pixels outside of the image
  float* patches;      // [kProducts, count, C]
  float* products;     // [kProducts, count, K]
};

struct TilePlace {
  int64_t image;
  int row, column;  // of the first output pixel
};

inline TilePlace tile_place(const Chunk& chunk, int64_t tile) {
  const int64_t line = (chunk.first + tile) / chunk.across, column = (chunk.first + tile) % chunk.across;
  return {line / chunk.down, static_cast<int>(line % chunk.down) * kTileSize,
          static_cast<int>(column) * kTileSize};
}

struct TransformPatches {
  const Chunk& chunk;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    const D3dWinogradConvParams& p = chunk.p;
    for (int64_t t = begin; t < end; ++t) {
      const float* pixels[kProducts];
      find_pixels(tile_place(chunk, t), pixels);
      for (int c = 0; c < p.in_channels; c += L::kWidth) {
        typename L::Float patch[kProducts];
        for (int i = 0; i < kProducts; ++i) patch[i] = load_lanes<L>(pixels[i] + c);
        for (int i = 0; i < kPatchSize; ++i) patch_transform(patch + i, kPatchSize);
        for (int i = 0; i < kPatchSize; ++i) patch_transform(patch + i * kPatchSize, 1);
        float* out = chunk.patches + t * p.in_channels + c;
        for (int i = 0; i < kProducts; ++i) store_lanes(out + i * chunk.count * p.in_channels, patch[i]);
      }
    }
  }

  inline void find_pixels(const TilePlace& place, const float** pixels) const {
    const D3dWinogradConvParams& p = chunk.p;
    for (int i = 0; i < kProducts; ++i) {
      const int row = place.row + i / kPatchSize - 1, column = place.column + i % kPatchSize - 1;
      const bool inside = row >= 0 && row < p.height && column >= 0 && column < p.width;
      pixels[i] = inside ? p.input + ((place.image * p.height + row) * p.width + column) * p.in_channels
                         : chunk.zeros;
    }
  }
};

// One of the kProducts matrix products. The last rows are computed together with some before them, once more.
struct MultiplyPatches {
  const Chunk& chunk;
  int64_t product;

  template <class L>
  inline void run() const {
    constexpr int R = 12 * L::kWidth / kPanel;  // with these rows the sums take 12 registers
    const D3dWinogradConvParams& p = chunk.p;
    const float* rows = chunk.patches + product * chunk.count * p.in_channels;
    const float* weight = p.weight + product * p.in_channels * p.out_channels;
    float* out = chunk.products + product * chunk.count * p.out_channels;
    for (int k = 0; k < p.out_channels; k += kPanel) {
      const float* panel = weight + static_cast<int64_t>(k) * p.in_channels;
      const auto multiply = [&](auto num_rows, int64_t t) {
        multiply_panel<L, num_rows>(rows + t * p.in_channels, p.in_channels, panel, p.in_channels,
                                    out + t * p.out_channels + k, p.out_channels);
      };
      if (chunk.count < R) {
        for (int64_t t = 0; t < chunk.count; ++t) multiply(std::integral_constant<int, 1>{}, t);
        continue;
      }
      for (int64_t t = 0; t < chunk.count; t += R) {
        multiply(std::integral_constant<int, R>{}, std::min(t, chunk.count - R));
      }
    }
  }
};

struct TransformTiles {
  const Chunk& chunk;
  int64_t begin, end;

  template <class L>
  inline void run() const {
    const D3dWinogradConvParams& p = chunk.p;
    for (int64_t t = begin; t < end; ++t) {
      const TilePlace place = tile_place(chunk, t);
      const int rows = std::min(kTileSize, p.height - place.row);
      const int columns = std::min(kTileSize, p.width - place.column);
      float* corner =
          p.output + ((place.image * p.height + place.row) * p.width + place.column) * p.out_channels;
      for (int k = 0; k < p.out_channels; k += L::kWidth) {
        typename L::Float tile[kProducts];
        const float* in = chunk.products + t * p.out_channels + k;
        for (int i = 0; i < kProducts; ++i) tile[i] = load_lanes<L>(in + i * chunk.count * p.out_channels);
        for (int i = 0; i < kPatchSize; ++i) tile_transform(tile + i, kPatchSize);
        for (int i = 0; i < kTileSize; ++i) tile_transform(tile + i * kPatchSize, 1);
        const auto bias = load_lanes<L>(p.bias + k);
        for (int y = 0; y < rows; ++y) {
          for (int x = 0; x < columns; ++x) {
            store_lanes(corner + (y * p.width + x) * static_cast<int64_t>(p.out_channels) + k,
                        tile[y * kPatchSize + x] + bias);
          }
        }
      }
    }
  }
};

void convolve(const Chunk& chunk, int n_threads) {
  const InstructionSet instructions = instruction_set();
  parallel_for_chunks(chunk.count, kTaskTiles, n_threads, [&](int64_t begin, int64_t end) {
    run_lanes(instructions, TransformPatches{chunk, begin, end});
  });
  parallel_for(kProducts, n_threads,
               [&](int64_t product) { run_lanes(instructions, MultiplyPatches{chunk, product}); });
  parallel_for_chunks(chunk.count, kTaskTiles, n_threads, [&](int64_t begin, int64_t end) {
    run_lanes(instructions, TransformTiles{chunk, begin, end});
  });
}

void winograd_conv(const D3dWinogradConvParams& p, int n_threads) {
  const int64_t down = (p.height + kTileSize - 1) / kTileSize, across = (p.width + kTileSize - 1) / kTileSize;
  const int64_t num_tiles = p.num_images * down * across;
  const int64_t tile_floats = static_cast<int64_t>(kProducts) * (p.in_channels + p.out_channels);
  const int64_t chunk_tiles = std::min(num_tiles, kChunkTiles);
  const std::unique_ptr<float[]> scratch(new float[chunk_tiles * tile_floats + p.in_channels]);
  float* zeros = scratch.get() + chunk_tiles * tile_floats;
  std::fill(zeros, zeros + p.in_channels, 0.0f);
  for (int64_t first = 0; first < num_tiles; first += chunk_tiles) {
    const int64_t count = std::min(chunk_tiles, num_tiles - first);
    float* products = scratch.get() + count * kProducts * p.in_channels;
    convolve({p, down, across, first, count, zeros, scratch.get(), products}, n_threads);
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_winograd_conv(const D3dWinogradConvParams* params, size_t params_size,
                                     const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dWinogradConvParams& p) {
    require(p.in_channels > 0 && p.in_channels % kPanel == 0 && p.out_channels > 0 &&
                p.out_channels % kPanel == 0,
            "channels must come in multiples of 16");
    require(p.num_images >= 0 && p.height >= 1 && p.width >= 1, "images must have pixels");
    winograd_conv(p, launch->n_threads);
  });
}
