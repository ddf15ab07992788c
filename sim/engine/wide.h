// SPDX-License-Identifier: GPL-2.0-or-later
// An unsigned integer of 128 bits, for products of two 64-bit numbers (gcc and clang have it, the standard does not).
#pragma once

namespace wakepath::engine {
__extension__ using Wide = unsigned __int128;
}  // namespace wakepath::engine
