// SPDX-License-Identifier: GPL-2.0-or-later
// convert(): one trace file into another. TraceReader and TraceWriter: records as columns, a batch at a time, for
// formats that Python's libraries read and write (Parquet).
#include <pybind11/numpy.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "python/bindings/bindings.h"
#include "sim/analysis/analyze.h"
#include "sim/trace/columns.h"
#include "sim/trace/reader.h"
#include "sim/trace/writer.h"

namespace wakepath::bindings {

namespace {

using trace::ColumnType;

template <class T>
T value_of(tl::expected<T, trace::Error> result) {
  if (!result)
    raise_input_error(result.error().message, result.error().file, static_cast<int>(result.error().line), "");
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// What was read of a file that broke is not written: a part must not look like the whole.
tl::expected<nlohmann::json, trace::Error> convert_file(const std::string& in, const std::string& out) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(in, pool);
  if (!reader) return tl::make_unexpected(reader.error());
  auto writer = trace::Writer::create(out, pool);
  if (!writer) return tl::make_unexpected(writer.error());
  trace::Event e;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    (*writer)->on_event(e);
  }
  if (const auto done = (*writer)->close(); !done) return tl::make_unexpected(done.error());
  return analysis::to_json(reader->report());
}

class TraceReader {
 public:
  explicit TraceReader(const std::string& path)
      : reader_(value_of(trace::Reader::open(path, pool_))), columns_(pool_) {}

  // {"rows": n, "columns": {name: (values, valid)}, "names": words that are new since the batch before}
  py::dict next(std::size_t rows) {
    auto done = [&]() -> tl::expected<void, trace::Error> {
      py::gil_scoped_release release;
      columns_.clear();
      trace::Event e;
      while (columns_.rows() < rows) {
        const auto more = reader_.next(e);
        if (!more) return tl::make_unexpected(more.error());
        if (!*more) break;
        columns_.append(e);
      }
      return {};
    }();
    value_of(std::move(done));
    py::dict columns;
    for (std::size_t i = 0; i < columns_.columns().size(); ++i) {
      columns[py::str(std::string(trace::column_types()[i].name))] = column(columns_.columns()[i]);
    }
    py::list names;
    for (; told_ < pool_.size(); ++told_) {
      const std::string& name = pool_.str(static_cast<trace::StringId>(told_));
      names.append(py::reinterpret_steal<py::str>(
          PyUnicode_DecodeUTF8(name.data(), static_cast<py::ssize_t>(name.size()), "replace")));
    }
    py::dict batch;
    batch["rows"] = columns_.rows();
    batch["columns"] = columns;
    batch["names"] = names;
    return batch;
  }
  [[nodiscard]] std::string report() const { return analysis::to_json(reader_.report()).dump(); }

 private:
  [[nodiscard]] py::tuple column(const trace::Column& c) const {
    py::array_t<std::int64_t> values(static_cast<py::ssize_t>(columns_.rows()));
    py::array_t<bool> valid(static_cast<py::ssize_t>(columns_.rows()));
    std::fill_n(values.mutable_data(), columns_.rows(), 0);
    std::fill_n(valid.mutable_data(), columns_.rows(), false);
    std::copy(c.values.begin(), c.values.end(), values.mutable_data());
    std::copy(c.valid.begin(), c.valid.end(), valid.mutable_data());
    return py::make_tuple(values, valid);
  }

  trace::StringPool pool_;
  trace::Reader reader_;
  trace::Columns columns_;
  std::size_t told_ = 0;
};

class TraceWriter {
 public:
  explicit TraceWriter(const std::string& path) : writer_(value_of(trace::Writer::create(path, pool_))) {}

  using Array = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
  using Valid = py::array_t<bool, py::array::c_style | py::array::forcecast>;
  // Columns as TraceReader gives them; a name is an index into `names`.
  void append(std::size_t rows, const py::dict& columns, const std::vector<std::string>& names) {
    std::vector<trace::StringId> ids;
    for (const std::string& name : names) ids.push_back(pool_.intern(name));
    std::vector<trace::Column> all(trace::column_types().size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const ColumnType& type = trace::column_types()[i];
      const py::str key{std::string(type.name)};
      if (!columns.contains(key)) continue;
      const auto pair = columns[key].cast<py::tuple>();
      const auto values = pair[0].cast<Array>();
      const auto valid = pair[1].cast<Valid>();
      if (static_cast<std::size_t>(values.size()) != rows || static_cast<std::size_t>(valid.size()) != rows) {
        throw py::value_error("columns of unequal length");
      }
      all[i].values.assign(values.data(), values.data() + rows);
      all[i].valid.assign(valid.data(), valid.data() + rows);
      if (type.kind != ColumnType::Kind::name) continue;
      for (std::size_t r = 0; r < rows; ++r) {
        std::int64_t& id = all[i].values[r];
        if (all[i].valid[r] == 0) continue;
        if (id < 0 || static_cast<std::size_t>(id) >= ids.size()) throw py::value_error("a name out of range");
        id = ids[static_cast<std::size_t>(id)];
      }
    }
    py::gil_scoped_release release;
    for (std::size_t r = 0; r < rows; ++r) writer_->on_event(trace::event_of_row(all, r, pool_));
  }
  void close() { value_of(writer_->close()); }

 private:
  trace::StringPool pool_;
  std::unique_ptr<trace::Writer> writer_;
};

std::vector<std::pair<std::string, std::string>> column_types() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ColumnType& type : trace::column_types()) {
    const char* kind = type.kind == ColumnType::Kind::name  ? "name"
                       : type.kind == ColumnType::Kind::u64 ? "uint64"
                       : type.kind == ColumnType::Kind::i64 ? "int64"
                                                            : "int32";
    out.emplace_back(std::string(type.name), kind);
  }
  return out;
}

}  // namespace

void register_formats(py::module_& m) {
  m.def(
      "convert",
      [](const std::string& in, const std::string& out) {
        auto result = [&] {
          py::gil_scoped_release release;
          return convert_file(in, out);
        }();
        return value_of(std::move(result)).dump();
      },
      py::arg("path"), py::arg("out"),
      "A trace file written in the format of another name; the reader's report as JSON text.");
  m.def("column_types", &column_types, "Names and kinds of a trace's columns: int32, int64, uint64, name.");
  py::class_<TraceReader>(m, "TraceReader")
      .def(py::init<const std::string&>(), py::arg("path"))
      .def("next", &TraceReader::next, py::arg("rows"))
      .def("report", &TraceReader::report);
  py::class_<TraceWriter>(m, "TraceWriter")
      .def(py::init<const std::string&>(), py::arg("path"))
      .def("append", &TraceWriter::append, py::arg("rows"), py::arg("columns"), py::arg("names"))
      .def("close", &TraceWriter::close);
}

}  // namespace wakepath::bindings
