// SPDX-License-Identifier: GPL-2.0-or-later
// One line of blkparse's default output -> a record:
//   `  8,0    3       11     0.009507758   697  C   W 223490 + 8 [0]`   device, CPU, sequence, stamp, pid, action, …
// Issue (D) and completion (C) are block_rq_issue and block_rq_complete; the other actions become tracepoints without
// a type under the kernel's names. The pid is of who ran then; blkparse tells its comm of most actions only.
// Source: blktrace/blkparse_fmt.c, blkparse.c; kernel/trace/blktrace.c.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

enum class BlkLine : std::uint8_t { none, record, total };

// `begun`: records stood above, so lines of the totals may follow ("Reads Queued: …").
[[nodiscard]] BlkLine parse_blk_line(std::string_view text, bool begun, StringPool& pool, Event& e);

}  // namespace wakepath::trace
