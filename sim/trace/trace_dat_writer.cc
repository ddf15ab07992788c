// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/trace_dat_writer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "sim/trace/raw_flags.h"
#include "sim/trace/spool.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kPageSize = 4096, kPageHead = 16, kPageData = kPageSize - kPageHead;
constexpr std::uint64_t kMissed = std::uint64_t{1} << 31U, kMissedStored = std::uint64_t{1} << 30U;
constexpr std::uint32_t kTimeExtend = 30;
constexpr unsigned kDeltaBits = 27;
constexpr std::size_t kMaxTypeLen = 28;  // records of up to so many words have their length in the header
constexpr std::uint64_t kFirstAddress = 0xffffffff81000000U;
constexpr std::uint16_t kFirstUnknownId = 1000;
constexpr std::size_t kTextLimit = 256;

constexpr std::string_view kHeaderPage =
    "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
constexpr std::string_view kHeaderEvent =
    "# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n"
    "\tpadding     : type == 29\n\ttime_extend : type == 30\n\ttime_stamp : type == 31\n\tdata max type_len  == 28\n";

template <class N>
void put(std::string& out, N value) {  // little-endian, as the head says
  for (std::size_t i = 0; i < sizeof value; ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xffU);
  }
}

template <class N>
void put_at(std::string& out, std::size_t offset, N value) {
  std::string bytes;
  put(bytes, value);
  out.replace(offset, bytes.size(), bytes);
}

template <class N>
void put_sized(std::string& out, std::string_view text) {
  put(out, static_cast<N>(text.size()));
  out += text;
}

}  // namespace

TraceDatWriter::TraceDatWriter(std::unique_ptr<Output> output, const StringPool& pool, std::string path, int cpus)
    : output_(std::move(output)),
      pool_(&pool),
      path_(std::move(path)),
      formats_(static_cast<std::size_t>(EventType::count_)) {
  if (cpus > 0) cpu(cpus - 1);
}

TraceDatWriter::~TraceDatWriter() {
  for (const Cpu& c : cpus_) {
    if (c.fd >= 0) ::close(c.fd);
  }
}

tl::expected<std::unique_ptr<TraceDatWriter>, Error> TraceDatWriter::create(const std::string& path,
                                                                            const StringPool& pool, int cpus) {
  auto output = Output::create(path);
  if (!output) return tl::make_unexpected(output.error());
  return std::unique_ptr<TraceDatWriter>(new TraceDatWriter(std::move(*output), pool, path, cpus));
}

TraceDatWriter::Cpu& TraceDatWriter::cpu(int number) {
  const auto i = static_cast<std::size_t>(std::max(number, 0));
  if (i >= cpus_.size()) cpus_.resize(i + 1);
  return cpus_[i];
}

const DatFormat& TraceDatWriter::format_of(const Event& e) {
  if (e.type != EventType::unknown) {
    auto& format = formats_[static_cast<std::size_t>(e.type)];
    if (!format) format = std::make_unique<DatFormat>(dat_format(e));
    return *format;
  }
  auto& format = unknown_[e.u.unknown.name];
  if (!format) {
    const auto id = static_cast<std::uint16_t>(kFirstUnknownId + unknown_.size());
    format = std::make_unique<DatFormat>(dat_format_of_unknown(pool_->str(e.u.unknown.name), id));
  }
  return *format;
}

std::uint64_t TraceDatWriter::address_of(StringId function) {
  if (function == 0) return 0;
  const auto [at, is_new] = addresses_.try_emplace(function, kFirstAddress + 16 * functions_.size());
  if (is_new) functions_.push_back(function);
  return at->second;
}

void TraceDatWriter::build_record(const Event& e, const DatFormat& format) {
  record_.assign(format.size, '\0');
  put_at(record_, 0, format.id);
  put_at(record_, 2, static_cast<std::uint8_t>(raw_of_flags(e.flags)));
  put_at(record_, 3, static_cast<std::uint8_t>((e.preempt_depth & 15U) | (e.migrate_disable & 15U) << 4U));
  put_at(record_, 4, e.pid);
  for (const DatField& f : format.fields) {
    switch (f.kind) {
      case DatField::Kind::device:
        put_at(record_, f.offset, e.u.rq.major << 20U | (e.u.rq.minor & 0xfffffU));
        break;
      case DatField::Kind::comm: {
        const std::string_view comm = pool_->str(name_of(e, *f.field));
        record_.replace(f.offset, std::min<std::size_t>(comm.size(), 15), comm.substr(0, 15));
        break;
      }
      case DatField::Kind::function:
        put_at(record_, f.offset, address_of(name_of(e, *f.field)));
        break;
      case DatField::Kind::text: {
        const std::string_view text = std::string_view(pool_->str(name_of(e, *f.field))).substr(0, kTextLimit);
        put_at(record_, f.offset, static_cast<std::uint32_t>((text.size() + 1) << 16U | record_.size()));
        record_ += text;
        record_ += '\0';
        break;
      }
      case DatField::Kind::number: {
        const auto value = is_present(e, *f.field) ? static_cast<std::uint64_t>(number_of(e, *f.field, *pool_)) : 0;
        for (std::size_t i = 0; i < f.size; ++i) {
          record_[f.offset + i] = static_cast<char>(value >> (8 * i) & 0xffU);
        }
      }
    }
  }
  record_.resize((record_.size() + 3) / 4 * 4);
}

// One record of the ring buffer, with the time since the one before it.
void TraceDatWriter::append(Cpu& to, std::int64_t ts_ns) {
  const std::size_t words = record_.size() / 4;
  const std::size_t size = 4 + (words > kMaxTypeLen ? 4 : 0) + record_.size();
  std::size_t extend = 8;  // room for a time extension
  if (to.page.size() + size + extend + 8 > kPageData) end_page(to);
  if (to.page.empty()) to.page_ts_ns = to.last_ts_ns = ts_ns;
  auto delta = static_cast<std::uint64_t>(std::max<std::int64_t>(ts_ns - to.last_ts_ns, 0));
  to.last_ts_ns = std::max(ts_ns, to.last_ts_ns);
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kDeltaBits) - 1;
  if (delta > kMask) {
    put(to.page, static_cast<std::uint32_t>(kTimeExtend | (delta & kMask) << 5U));
    put(to.page, static_cast<std::uint32_t>(delta >> kDeltaBits));
    delta = 0;
  }
  const std::uint32_t type_len = words > kMaxTypeLen ? 0 : static_cast<std::uint32_t>(words);
  put(to.page, static_cast<std::uint32_t>(type_len | delta << 5U));
  if (type_len == 0) put(to.page, static_cast<std::uint32_t>(record_.size() + 4));
  to.page += record_;
}

void TraceDatWriter::end_page(Cpu& c) {
  if (c.page.empty()) return;
  if (c.fd < 0) c.fd = unnamed_file();
  if (c.fd < 0) error_ = errno;
  std::string page;
  std::uint64_t commit = c.page.size();
  if (c.lost >= 0) commit |= kMissed;
  if (c.lost > 0) commit |= kMissedStored;
  put(page, c.page_ts_ns);
  put(page, commit);
  page += c.page;
  if (c.lost > 0) put(page, c.lost);
  page.resize(kPageSize);
  if (error_ == 0) error_ = write_all(c.fd, page);
  c.size += page.size();
  c.page.clear();
  c.lost = -1;
}

void TraceDatWriter::on_event(const Event& e) {
  Cpu& c = cpu(e.cpu);
  if (e.type == EventType::lost_events) {
    end_page(c);
    c.lost = std::max<std::int64_t>(c.lost, 0) + e.u.value;
    return;
  }
  ++records_;
  if (e.pid > 0) comms_[e.pid] = e.comm;
  build_record(e, format_of(e));
  append(c, e.ts_ns);
}

std::string TraceDatWriter::symbols() const {
  std::string out;
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{:016x} T {}\n", kFirstAddress + 16 * i, pool_->str(functions_[i]));
  }
  fmt::format_to(std::back_inserter(out), "{:016x} T _etext\n", kFirstAddress + 16 * functions_.size());
  return out;
}

std::string TraceDatWriter::comms() const {
  std::string out;
  for (const auto& [pid, comm] : comms_) fmt::format_to(std::back_inserter(out), "{} {}\n", pid, pool_->str(comm));
  return out;
}

void TraceDatWriter::put_formats(std::string& out) const {
  std::map<std::string_view, std::vector<const DatFormat*>> systems;
  for (const auto& format : formats_) {
    if (format) systems[format->system].push_back(format.get());
  }
  for (const auto& [name, format] : unknown_) systems[format->system].push_back(format.get());
  put(out, std::uint32_t{0});  // formats of ftrace's own events
  put(out, static_cast<std::uint32_t>(systems.size()));
  for (const auto& [system, formats] : systems) {
    out += system;
    out += '\0';
    put(out, static_cast<std::uint32_t>(formats.size()));
    for (const DatFormat* format : formats) put_sized<std::uint64_t>(out, format->text);
  }
}

std::string TraceDatWriter::head() const {
  std::string out = "\x17\x08\x44tracing6";
  out += '\0';
  out += '\0';  // little-endian
  out += '\x08';
  put(out, static_cast<std::uint32_t>(kPageSize));
  out += std::string_view("header_page\0", 12);
  put_sized<std::uint64_t>(out, kHeaderPage);
  out += std::string_view("header_event\0", 13);
  put_sized<std::uint64_t>(out, kHeaderEvent);
  put_formats(out);
  put_sized<std::uint32_t>(out, symbols());
  put(out, std::uint32_t{0});  // printk formats
  put_sized<std::uint64_t>(out, comms());
  put(out, static_cast<std::uint32_t>(cpus_.size()));
  out += std::string_view("options  \0", 10);
  put(out, std::uint16_t{0});
  out += std::string_view("flyrecord\0", 10);
  std::uint64_t offset = (out.size() + 16 * cpus_.size() + kPageSize - 1) / kPageSize * kPageSize;
  const std::size_t start = offset;
  for (const Cpu& c : cpus_) {
    put(out, offset);
    put(out, c.size);
    offset += c.size;
  }
  out.resize(start);
  return out;
}

tl::expected<void, Error> TraceDatWriter::complete() {
  std::string chunk(1 << 18, '\0');
  for (Cpu& c : cpus_) {
    end_page(c);
    if (c.fd < 0 || ::lseek(c.fd, 0, SEEK_SET) < 0) continue;
    for (;;) {
      const ssize_t n = ::read(c.fd, chunk.data(), chunk.size());
      if (n <= 0) break;
      output_->write(std::string_view(chunk.data(), static_cast<std::size_t>(n)));
    }
  }
  auto done = output_->finish(head());
  output_.reset();
  if (done && error_ != 0) {
    return tl::make_unexpected(Error{path_, 0, std::string("cannot be written: ") + std::strerror(error_)});
  }
  return done;
}

}  // namespace wakepath::trace
