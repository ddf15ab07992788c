// SPDX-License-Identifier: GPL-2.0-or-later
// analyze(): the event pattern of a trace file; compare_traces(): of two. As JSON text, without the GIL.
#include "python/bindings/bindings.h"

#include <nlohmann/json.hpp>

#include "sim/analysis/analyze.h"
#include "sim/analysis/free_run.h"
#include "sim/analysis/profile.h"

namespace wakepath::bindings {

namespace {

template <class T>
T value_or_raise(tl::expected<T, trace::Error> result) {
  if (!result)
    raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
  return std::move(*result);
}

std::string free_run_start(const std::string& trace, const std::vector<std::string>& tasks) {
  auto found = [&] {
    py::gil_scoped_release release;
    return analysis::read_free_run(trace, tasks);
  }();
  return analysis::start_json(value_or_raise(std::move(found))).dump();
}

std::string compare_free_runs(const std::string& real, const std::string& simulated,
                              const std::vector<std::string>& tasks) {
  auto [a, b] = [&] {
    py::gil_scoped_release release;
    return std::pair(analysis::read_free_run(real, tasks), analysis::read_free_run(simulated, tasks));
  }();
  const analysis::FreeRun x = value_or_raise(std::move(a)), y = value_or_raise(std::move(b));
  py::gil_scoped_release release;
  return analysis::compare_free_runs(x, y).dump();
}

}  // namespace

void register_trace(py::module_& m) {
  m.def(
      "analyze",
      [](const std::string& path) {
        auto result = [&] {
          py::gil_scoped_release release;
          return analysis::analyze_file(path);
        }();
        if (!result)
          raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
        return result->dump();
      },
      py::arg("path"), "Transitions, ping-pong and counts of a trace, as JSON text.");
  m.def(
      "compare_traces",
      [](const std::string& a, const std::string& b) {
        auto result = [&] {
          py::gil_scoped_release release;
          return analysis::compare_files(a, b);
        }();
        if (!result)
          raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
        return result->dump();
      },
      py::arg("a"), py::arg("b"), "The event patterns of two traces side by side, as JSON text.");
  m.def(
      "profile",
      [](const std::string& path) {
        auto result = [&] {
          py::gil_scoped_release release;
          return analysis::profile_file(path);
        }();
        return value_or_raise(std::move(result)).dump();
      },
      py::arg("path"), "The programs of a trace, its requests and where CPU time went, as JSON text.");
  m.def("free_run_start", &free_run_start, py::arg("trace"), py::arg("tasks"),
        "How a recorded scheduler experiment began and what other threads did in it, as JSON text.");
  m.def("compare_free_runs", &compare_free_runs, py::arg("real"), py::arg("simulated"), py::arg("tasks"),
        "Two traces of one scheduler experiment beside each other, as JSON text.");
}

}  // namespace wakepath::bindings
