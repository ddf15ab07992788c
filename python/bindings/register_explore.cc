// SPDX-License-Identifier: GPL-2.0-or-later
// explore(): many schedules of one scenario, without the GIL.
#include "python/bindings/bindings.h"

#include <optional>

#include "models/run/explore.h"
#include "sim/trace/ftrace_writer.h"

namespace wakepath::bindings {

namespace {

std::string explore_scenario(const scenario::Scenario& s, std::uint64_t first_seed, std::uint64_t seeds, int threads,
                             const py::object& progress) {
  run::Exploration e;
  e.first_seed = first_seed;
  e.seeds = seeds;
  e.threads = threads;
  std::unique_ptr<py::error_already_set> error;
  e.progress = [&](double share) {
    py::gil_scoped_acquire gil;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (!progress.is_none()) progress(share);
    } catch (py::error_already_set& caught) {
      error = std::make_unique<py::error_already_set>(std::move(caught));
      return false;
    }
    return true;
  };
  std::string found;
  {
    py::gil_scoped_release release;
    found = run::explore(s, e).dump();
  }
  if (error) throw py::error_already_set(*error);
  return found;
}

// One schedule again, with its records.
std::string replay_schedule(const scenario::Scenario& s, std::uint64_t seed,
                            const std::optional<std::vector<int>>& only, bool ties,
                            const std::optional<std::string>& trace) {
  trace::StringPool pool;
  std::unique_ptr<trace::FtraceWriter> writer;
  if (trace) {
    auto made = trace::FtraceWriter::create(*trace, pool, s.machine.cpus);
    if (!made) raise_input_error(made.error().message, *trace, 0, "");
    writer = std::move(*made);
  }
  run::Perturbation p;
  p.seed = seed;
  p.only = only;
  p.ties = ties;
  run::Options o;
  o.perturb = &p;
  if (writer) {
    o.sink = writer.get();
    o.pool = &pool;
  }
  py::gil_scoped_release release;
  std::string found = run::run(s, o).json;
  if (writer) writer->finish();
  return found;
}

}  // namespace

void register_explore(py::module_& m) {
  m.def("explore", &explore_scenario, py::arg("scenario"), py::kw_only(), py::arg("first_seed"), py::arg("seeds"),
        py::arg("threads"), py::arg("progress") = py::none(),
        "Many schedules of a scenario; the outcome as JSON text.");
  m.def("replay_schedule", &replay_schedule, py::arg("scenario"), py::kw_only(), py::arg("seed"),
        py::arg("only") = py::none(), py::arg("ties") = true, py::arg("trace") = py::none(),
        "One schedule of explore() again; the result as JSON text.");
}

}  // namespace wakepath::bindings
