// One tile of the CPU rasteriser: pieces are scanned into it one after the other, then its rows are read. Host only.
//
// Pixels are taken four at a time. What that writes past the end of a span is masked, or lands in the spare end of a
// row, or is overwritten by what comes next.
#pragma once

#include <vector>

#include "dream3d/rasterize.h"

namespace dream3d {

constexpr int32_t kTile = 64;               // pixels, in both directions
constexpr int32_t kTileStride = kTile + 4;  // from row to row

// What a piece that covers pixels of a tile shows there.
struct Surface {
  BarycentricPlanes planes;
  int32_t triangle;
};

struct Tile {
  int32_t x0, y0, x1, y1;  // pixels, x1 and y1 excluded
  double width, height;    // of the image
  std::vector<Surface> surfaces;
  float depth[kTile * kTileStride];      // infinite where nothing is seen
  int32_t surface[kTile * kTileStride];  // -1 where nothing is seen

  int32_t offset(int32_t x, int32_t y) const { return (y - y0) * kTileStride + (x - x0); }
};

// Ids and barycentrics of a row of a tile.
struct TileRow {
  int32_t id[kTileStride];
  float u[kTileStride], v[kTileStride];
};

void clear(Tile& tile);

// Draws a piece of the triangle with these vertices where nothing nearer was drawn before.
void draw_piece(const Piece& piece, const ClipVertex vertices[3], Tile& tile);

void read_row(const Tile& tile, int32_t y, TileRow& out);

}  // namespace dream3d
