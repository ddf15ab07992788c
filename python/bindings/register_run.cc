// SPDX-License-Identifier: GPL-2.0-or-later
// run(): one simulation, without the GIL. Signals are looked at every 50 ms of wall time; Ctrl-C ends the run and what
// was computed so far comes back with end "stopped" instead of an exception, so that it can still be written.
#include "python/bindings/bindings.h"

#include <chrono>
#include <memory>
#include <optional>

#include "models/run/run.h"
#include "python/bindings/record_table.h"
#include "sim/trace/writer.h"

namespace wakepath::bindings {

namespace {

// Wall time between two looks at signals and at the progress callback: short for a person, long for the GIL.
constexpr std::chrono::milliseconds kLook{50};

class Watch {
 public:
  explicit Watch(py::object progress) : progress_(std::move(progress)) {}

  bool operator()(double share) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < kLook) return true;
    last_ = now;
    py::gil_scoped_acquire gil;
    try {
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      if (progress_.is_none()) return true;
      const py::object answer = progress_(share);
      return answer.is_none() || answer.cast<bool>();
    } catch (py::error_already_set& e) {
      if (!e.matches(PyExc_KeyboardInterrupt)) error_ = std::make_unique<py::error_already_set>(std::move(e));
      return false;
    }
  }

  // An exception of the callback itself, to be raised when the run has ended.
  void rethrow() const {
    if (error_) throw py::error_already_set(*error_);
  }

 private:
  py::object progress_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::unique_ptr<py::error_already_set> error_;
};

const char* end_name(run::End end) {
  switch (end) {
    case run::End::finished:
      return "finished";
    case run::End::limit:
      return "limit";
    case run::End::stopped:
      return "stopped";
    case run::End::violation:
      return "violation";
  }
  return "finished";
}

std::unique_ptr<trace::Writer> open_writer(const std::string& path, const trace::StringPool& pool, int cpus) {
  auto writer = trace::Writer::create(path, pool, cpus);
  if (!writer) raise_input_error(writer.error().message, path, 0, "");
  return std::move(*writer);
}

// Records to a file, to a table in memory, or to both.
class Records : public trace::Sink {
 public:
  Records(trace::Sink* file, trace::Sink* table) : file_(file), table_(table) {}
  void on_event(const trace::Event& e) override {
    if (file_ != nullptr) file_->on_event(e);
    if (table_ != nullptr) table_->on_event(e);
  }

 private:
  trace::Sink *file_, *table_;
};

py::tuple run_scenario(const scenario::Scenario& s, const py::object& progress, const std::optional<std::string>& trace,
                       RecordTable* records, const py::object& fio_json) {
  Watch watch(progress);
  trace::StringPool own_pool;
  trace::StringPool& pool = records != nullptr ? records->pool() : own_pool;
  std::unique_ptr<trace::Writer> writer;
  if (trace) writer = open_writer(*trace, pool, s.machine.cpus);
  run::Options options;
  options.fio_json = !fio_json.is_none();
  options.progress = [&watch](double share) { return watch(share); };
  Records both(writer.get(), records);
  if (writer || records != nullptr) {
    options.sink = &both;
    options.pool = &pool;
  }
  run::Outcome outcome;
  {
    py::gil_scoped_release release;
    outcome = run::run(s, options);
    if (writer) writer->finish();
  }
  if (writer && !writer->status()) raise_input_error(writer->status().error().message, *trace, 0, "");
  watch.rethrow();
  if (options.fio_json) fio_json(outcome.fio);
  return py::make_tuple(end_name(outcome.end), outcome.json, outcome.limit);
}

}  // namespace

void register_run(py::module_& m) {
  m.def("run", &run_scenario, py::arg("scenario"), py::kw_only(), py::arg("progress") = py::none(),
        py::arg("trace") = py::none(), py::arg("records") = static_cast<RecordTable*>(nullptr),
        py::arg("fio_json") = py::none(),
        "Run a scenario; gives (end, result as JSON text, limit). `progress(share)` may return False to stop. "
        "`trace`: a file, `records`: a table to be filled, `fio_json`: called with the jobs in fio's JSON+.");
}

}  // namespace wakepath::bindings
