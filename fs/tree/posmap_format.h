/*
 * posmap_format: how position maps stand in their objects.
 */
#ifndef VARVE_POSMAP_FORMAT_H
#define VARVE_POSMAP_FORMAT_H

/*
 * A page, OBJECT_POSMAP (docs/format.md, "Position maps"):
 *
 *     varint   width of a value in bytes
 *     varint   n, number of pairs
 *     n - 1 x  varint position less the position before, less 1; the first
 *              pair's position is told by the index
 *     width x  n bytes: the first byte of every value, then the second, …
 *
 * A node, OBJECT_POSMAP_INDEX; the top of a map is always one:
 *
 *     varint   level, from 1
 *     varint   width
 *     varint   number of children
 *     each:    varint reference code (OBJECT_POSMAP at level 1, else
 *              OBJECT_POSMAP_INDEX)
 *              varint first position in it, less that of the child before;
 *              the first child's less what the node above says: 0, but in the
 *              top the position itself
 *              varint number of pairs in it
 */
#define POSMAP_LEVELS 8
#define POSMAP_COUNT_MAX 262144u
#define CHILD_BYTES_MIN 3

#endif
