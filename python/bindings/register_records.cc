// SPDX-License-Identifier: GPL-2.0-or-later
// Records: the records of one trace as numpy columns. A column is a view on the table's memory (its base is the Records
// object, which keeps the memory alive) and read-only. Pickled as bytes by type.
#include <pybind11/numpy.h>

#include <cstring>

#include "python/bindings/bindings.h"
#include "python/bindings/record_table.h"
#include "sim/trace/event_names.h"
#include "sim/trace/reader.h"

namespace wakepath::bindings {

// Of its own name: files are compiled together, and short names would meet.
namespace records {

using trace::EventType;

py::dtype dtype_of(Kind kind) {
  switch (kind) {
    case Kind::i64:
      return py::dtype::of<std::int64_t>();
    case Kind::u64:
      return py::dtype::of<std::uint64_t>();
    case Kind::i32:
      return py::dtype::of<std::int32_t>();
    case Kind::u32:
    case Kind::name:
      return py::dtype::of<std::uint32_t>();
    case Kind::i16:
      return py::dtype::of<std::int16_t>();
    case Kind::u16:
      return py::dtype::of<std::uint16_t>();
    case Kind::u8:
      return py::dtype::of<std::uint8_t>();
    case Kind::flag:
      return py::dtype::of<bool>();
  }
  return py::dtype::of<std::int64_t>();
}

EventType known_type(const std::string& name) {
  const EventType type = trace::type_of(name);
  if (type == EventType::unknown && name != "unknown") raise_input_error("no tracepoint '" + name + "'", "", 0, "");
  return type;
}

py::array column(const py::object& self, const std::string& type_name, const std::string& field) {
  auto& table = self.cast<RecordTable&>();
  const EventType type = known_type(type_name);
  for (const Field& f : fields_of(type)) {
    if (field != f.name) continue;
    auto& rows = table.rows(type);
    const auto* first = reinterpret_cast<const char*>(rows.data()) + f.offset;
    const auto n = static_cast<py::ssize_t>(rows.size());
    if (n == 0) return py::array(dtype_of(f.kind), std::vector<py::ssize_t>{0});
    py::array view(dtype_of(f.kind), std::vector<py::ssize_t>{n},
                   std::vector<py::ssize_t>{static_cast<py::ssize_t>(sizeof(RecordTable::Row))}, first, self);
    view.attr("flags").attr("writeable") = false;
    return view;
  }
  raise_input_error(type_name + " has no field '" + field + "'", "", 0, "");
}

py::dict counts(RecordTable& table) {
  py::dict d;
  for (std::size_t i = 0; i < kTypeCount; ++i) {
    const auto type = static_cast<EventType>(i);
    if (const std::size_t n = table.rows(type).size()) d[py::str(std::string(trace::name_of(type)))] = n;
  }
  return d;
}

py::list fields(const std::string& type_name) {
  py::list l;
  for (const Field& f : fields_of(known_type(type_name))) l.append(py::make_tuple(f.name, f.kind == Kind::name));
  return l;
}

std::vector<std::string> names(const RecordTable& table) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < table.pool().size(); ++i)
    found.push_back(table.pool().str(static_cast<trace::StringId>(i)));
  return found;
}

std::unique_ptr<RecordTable> read(const std::string& path) {
  auto table = std::make_unique<RecordTable>();
  const auto failed = [&]() -> std::optional<trace::Error> {
    py::gil_scoped_release release;
    auto reader = trace::Reader::open(path, table->pool());
    if (!reader) return reader.error();
    auto drained = reader->drain(*table);
    if (!drained) return drained.error();
    return std::nullopt;
  }();
  if (failed) raise_input_error(failed->message, failed->file, static_cast<int>(failed->line), "");
  return table;
}

py::tuple to_pickle(RecordTable& table) {
  py::dict parts;
  for (std::size_t i = 0; i < kTypeCount; ++i) {
    const auto& rows = table.rows(static_cast<EventType>(i));
    if (rows.empty()) continue;
    parts[py::str(std::string(trace::name_of(static_cast<EventType>(i))))] =
        py::bytes(reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(RecordTable::Row));
  }
  return py::make_tuple(sizeof(RecordTable::Row), table.count(), names(table), parts);
}

std::unique_ptr<RecordTable> from_pickle(const py::tuple& t) {
  if (t[0].cast<std::size_t>() != sizeof(RecordTable::Row))
    raise_input_error("these records were pickled by another version of wakepath", "", 0, "");
  auto table = std::make_unique<RecordTable>();
  table->set_count(t[1].cast<std::int64_t>());
  for (const auto& name : t[2].cast<std::vector<std::string>>()) table->pool().intern(name);
  for (const auto& [name, bytes] : t[3].cast<py::dict>()) {
    const auto text = bytes.cast<std::string>();
    auto& rows = table->rows(known_type(name.cast<std::string>()));
    rows.resize(text.size() / sizeof(RecordTable::Row));
    std::memcpy(static_cast<void*>(rows.data()), text.data(), text.size());
  }
  return table;
}

}  // namespace records

void register_records(py::module_& m) {
  py::class_<RecordTable>(m, "Records", "The records of one trace, by type, as columns.")
      .def(py::init<>())
      .def_static("read", &records::read, py::arg("path"), "A trace file as analyze() reads it.")
      .def("__len__", &RecordTable::count)
      .def("counts", &records::counts, "Records by type.")
      .def_static("fields", &records::fields, py::arg("type"), "(field, is an id of names()) of a type.")
      .def("names", &records::names, "The strings that ids stand for.")
      .def(
          "column",
          [](const py::object& self, const std::string& t, const std::string& f) {
            return records::column(self, t, f);
          },
          py::arg("type"), py::arg("field"), "A read-only view of one field of all records of a type.")
      .def(py::pickle(&records::to_pickle, &records::from_pickle));
}

}  // namespace wakepath::bindings
