// SPDX-License-Identifier: GPL-2.0-or-later
// A TracePacket as an element of a Trace: field 1, its length, its bytes.
#pragma once
#ifdef WAKEPATH_HAVE_PROTOBUF

#include <perfetto_trace.pb.h>

#include <google/protobuf/io/coded_stream.h>

#include <string>

namespace wakepath::trace {

inline void append_packet(std::string& out, const perfetto::TracePacket& packet) {
  std::uint8_t size[10];
  const std::uint8_t* end = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(packet.ByteSizeLong(), size);
  out += '\x0a';
  out.append(reinterpret_cast<const char*>(size), static_cast<std::size_t>(end - size));
  packet.AppendToString(&out);
}

}  // namespace wakepath::trace
#endif
