// SPDX-License-Identifier: GPL-2.0-or-later
// Simulated jobs in the schema of `fio --output-format=json+`, so that what reads fio's results reads these
// (fio_jsonplus_clat2csv, fioplot, dashboards). Source: fio 3.33 stat.c:show_thread_status_json, add_ddir_status_json.
//
// Figures that the simulation does not have are left out, not invented: bandwidth samples, the distributions of depth,
// usr_cpu and sys_cpu (a simulated task is charged as a whole). A job that reads and writes has one histogram: it is
// reported as fio does with unified_rw_reporting=mixed.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>

#include "models/workload/fio.h"

namespace wakepath::run {

// `seconds` of the measured window.
[[nodiscard]] nlohmann::ordered_json fio_json(const std::deque<workload::FioJob>& jobs, double seconds);

}  // namespace wakepath::run
