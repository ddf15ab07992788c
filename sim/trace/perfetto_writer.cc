// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/perfetto_writer.h"

#ifdef WAKEPATH_HAVE_PROTOBUF
#include <map>
#include <unordered_map>
#include <vector>

#include "sim/trace/event_names.h"
#include "sim/trace/output.h"
#include "sim/trace/perfetto_fields.h"
#include "sim/trace/perfetto_packets.h"
#include "sim/trace/perfetto_tracks.h"
#include "sim/trace/raw_flags.h"

namespace wakepath::trace {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kBundleSize = 1000;  // records of all CPUs between two bundles of each
constexpr std::size_t kWriteSize = 1 << 16;
constexpr std::uint32_t kBundlesSequence = 1;  // of the bundles; the tracks have another

void set_number_in(Message& message, const FieldDescriptor* f, std::int64_t value) {
  const auto* r = message.GetReflection();
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return r->SetInt32(&message, f, static_cast<std::int32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return r->SetUInt32(&message, f, static_cast<std::uint32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return r->SetInt64(&message, f, value);
    default:
      return r->SetUInt64(&message, f, static_cast<std::uint64_t>(value));
  }
}

class PerfettoWriter final : public Writer {
 public:
  PerfettoWriter(std::unique_ptr<Output> output, const StringPool& pool)
      : output_(std::move(output)), pool_(&pool), mappings_(perfetto_mappings()), tracks_(pool) {}

  void on_event(const Event& e) override {
    if (e.type != EventType::lost_events) ++records_;
    note_task(e);
    auto& bundle = bundles_[e.cpu < 0 ? 0 : e.cpu];
    if (e.type == EventType::lost_events && bundle.event_size() > 0) flush_bundles();
    if (e.type == EventType::lost_events) bundle.set_lost_events(true);
    bundle.set_cpu(e.cpu < 0 ? 0 : static_cast<std::uint32_t>(e.cpu));
    add(e, *bundle.add_event());
    tracks_.on_event(e, text_);
    if (++waiting_ >= kBundleSize) flush_bundles();
    if (text_.size() < kWriteSize) return;
    output_->write(text_);
    text_.clear();
  }

 protected:
  tl::expected<void, Error> complete() override {
    flush_bundles();
    tracks_.finish(text_);
    output_->write(text_);
    auto done = output_->finish({});
    output_.reset();
    return done;
  }

 private:
  void add(const Event& e, perfetto::FtraceEvent& out) {
    out.set_timestamp(static_cast<std::uint64_t>(e.ts_ns));
    out.set_pid(static_cast<std::uint32_t>(e.pid));
    if (e.has_flags) out.set_common_flags(raw_of_flags(e.flags));
    const PerfettoMapping& mapping = mappings_[static_cast<std::size_t>(e.type)];
    if (mapping.message == nullptr) return add_generic(e, *out.mutable_generic());
    Message& message = *out.GetReflection()->MutableMessage(&out, mapping.message);
    const auto* r = message.GetReflection();
    for (const PerfettoMapping::Step& step : mapping.steps) {
      if (!is_present(e, *step.ours)) continue;
      if (!step.ours->is_name()) {
        set_number_in(message, step.theirs, number_of(e, *step.ours, *pool_));
      } else if (step.theirs->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        r->SetString(&message, step.theirs, pool_->str(name_of(e, *step.ours)));
      } else {
        r->SetUInt64(&message, step.theirs, symbol(name_of(e, *step.ours)));
      }
    }
    if (mapping.device != nullptr) {
      r->SetUInt64(&message, mapping.device, (std::uint64_t{e.u.rq.major} << 20U) | e.u.rq.minor);
    }
  }

  void add_generic(const Event& e, perfetto::Generic& generic) {
    generic.set_event_name(e.type == EventType::unknown ? pool_->str(e.u.unknown.name) : std::string(name_of(e.type)));
    for (const Field& f : fields_of(e.type)) {
      if (!is_present(e, f)) continue;
      auto& field = *generic.add_field();
      field.set_name(std::string(f.name));
      if (f.is_name()) {
        field.set_str_value(pool_->str(name_of(e, f)));
      } else if (f.kind == FieldKind::u64) {
        field.set_uint_value(static_cast<std::uint64_t>(number_of(e, f, *pool_)));
      } else {
        field.set_int_value(number_of(e, f, *pool_));
      }
    }
  }

  // Names of functions are numbers in the events and words in the packet before.
  std::uint64_t symbol(StringId name) {
    if (symbols_.insert({name, true}).second) {
      auto& added = *packet_.mutable_interned_data()->add_kernel_symbols();
      added.set_iid(name);
      added.set_str(pool_->str(name));
    }
    return name;
  }

  void note_task(const Event& e) {
    if (e.type == EventType::lost_events || e.pid <= 0) return;
    auto [at, is_new] = comms_.try_emplace(e.pid, e.comm);
    if (!is_new && at->second == e.comm) return;
    at->second = e.comm;
    auto& thread = *packet_.mutable_process_tree()->add_threads();
    thread.set_tid(e.pid);
    thread.set_tgid(e.pid);
    thread.set_name(pool_->str(e.comm));
  }

  void flush_bundles() {
    waiting_ = 0;
    if (packet_.has_process_tree()) {  // a packet of its own: Perfetto takes one kind of data from each
      perfetto::TracePacket tree;
      tree.set_trusted_packet_sequence_id(kBundlesSequence);
      tree.mutable_process_tree()->Swap(packet_.mutable_process_tree());
      packet_.clear_process_tree();
      append_packet(text_, tree);
    }
    for (auto& [cpu, bundle] : bundles_) {
      if (bundle.event_size() == 0) continue;
      packet_.set_trusted_packet_sequence_id(kBundlesSequence);
      packet_.set_sequence_flags(begun_ ? 2 : 3);  // incremental state is needed; at first: cleared
      begun_ = true;
      packet_.mutable_ftrace_events()->Swap(&bundle);
      append_packet(text_, packet_);
      packet_.mutable_ftrace_events()->Swap(&bundle);  // its memory is used again
      packet_.Clear();
      bundle.Clear();
    }
  }

  std::unique_ptr<Output> output_;
  const StringPool* pool_;
  PerfettoMappings mappings_;
  PerfettoTracks tracks_;
  std::string text_;
  perfetto::TracePacket packet_;  // names and symbols that the next bundles need gather here
  std::map<int, perfetto::FtraceEventBundle> bundles_;
  std::unordered_map<StringId, bool> symbols_;
  std::unordered_map<std::int32_t, StringId> comms_;
  int waiting_ = 0;
  bool begun_ = false;
};

}  // namespace

tl::expected<std::unique_ptr<Writer>, Error> create_perfetto_writer(const std::string& path, const StringPool& pool) {
  auto output = Output::create(path);
  if (!output) return tl::make_unexpected(output.error());
  return std::make_unique<PerfettoWriter>(std::move(*output), pool);
}

}  // namespace wakepath::trace

#else

namespace wakepath::trace {

tl::expected<std::unique_ptr<Writer>, Error> create_perfetto_writer(const std::string& path, const StringPool&) {
  return tl::make_unexpected(Error{
      path, 0,
      "this build cannot write Perfetto traces: apt-get install protobuf-compiler libprotobuf-dev and build again"});
}

}  // namespace wakepath::trace
#endif
