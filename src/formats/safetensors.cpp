// In:  bytes of safetensors files, hostile ones too.
// Out: the checked table of tensors. Every number of the header is compared with the real size before it is used.
// Not here: conversions (dtype.cpp), writing (safetensors_write.cpp).

#include "formats/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.h"
#include "core/json.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{16} << 20;
constexpr std::ptrdiff_t kMaxHeaderItems = 500'000;  // bounds the memory of the parsed header
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 30;
constexpr const char* kMetadata = "__metadata__";

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw UserError(ErrorKind::model, where, what,
                  "The file is damaged or was not written by a safetensors writer; fetch or write it again.");
}

// A JSON number that must be a whole number from 0 to 2^63 - 1.
std::uint64_t whole_number(const Json& value, const std::string& where, const std::string& field) {
  const bool fits = value.is_number_unsigned() &&
                    value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!fits) refuse(where, fmt::format("{}: wanted a whole number from 0, found {}.", field, value.dump()));
  return value.get<std::uint64_t>();
}

DType parse_dtype(const Json& value, const std::string& where, const std::string& tensor) {
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                            DType::i8, DType::u8, DType::boolean})
    if (value == dtype_name(dtype)) return dtype;
  refuse(where, fmt::format("{}: dtype {} is not supported (known: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL).", tensor,
                            value.dump()));
}

// Bytes of a tensor. Overflow counts over the extents that are not 0, so that strides computed later cannot overflow
// either.
std::uint64_t bytes_of(const std::vector<std::int64_t>& shape, DType dtype, const std::string& where,
                       const std::string& tensor) {
  std::uint64_t bytes = dtype_size(dtype);
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent == 0) {
      empty = true;
      continue;
    }
    const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (bytes > limit / static_cast<std::uint64_t>(extent))
      refuse(where, fmt::format("{}: shape [{}] overflows.", tensor, fmt::join(shape, ", ")));
    bytes *= static_cast<std::uint64_t>(extent);
  }
  return empty ? 0 : bytes;
}

struct Entry {
  std::string name;
  std::uint64_t begin = 0, end = 0;
};

Entry parse_entry(const std::string& name, const Json& item, std::uint64_t data_size, const std::string& where,
                  TensorView& view) {
  const std::string tensor = fmt::format("tensor \"{}\"", name);
  if (!item.is_object()) refuse(where, fmt::format("{}: wanted an object, found {}.", tensor, item.type_name()));
  for (const auto& [key, value] : item.items())
    if (key != "dtype" && key != "shape" && key != "data_offsets")
      refuse(where, fmt::format("{}: unknown field \"{}\".", tensor, key));
  for (const char* key : {"dtype", "shape", "data_offsets"})
    if (!item.contains(key)) refuse(where, fmt::format("{}: \"{}\" is missing.", tensor, key));

  view.dtype = parse_dtype(item["dtype"], where, tensor);
  if (!item["shape"].is_array()) refuse(where, fmt::format("{}: \"shape\" is no array.", tensor));
  for (const Json& extent : item["shape"])
    view.shape.push_back(static_cast<std::int64_t>(whole_number(extent, where, tensor + ", shape")));
  const Json& offsets = item["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2)
    refuse(where, fmt::format("{}: \"data_offsets\" must be two numbers.", tensor));
  Entry entry{name, whole_number(offsets[0], where, tensor + ", data_offsets"),
              whole_number(offsets[1], where, tensor + ", data_offsets")};
  if (entry.begin > entry.end || entry.end > data_size)
    refuse(where, fmt::format("{}: data_offsets [{}, {}] do not fit into {} bytes of data.", tensor, entry.begin,
                              entry.end, data_size));
  const std::uint64_t wanted = bytes_of(view.shape, view.dtype, where, tensor);
  if (entry.end - entry.begin != wanted)
    refuse(where, fmt::format("{}: {} [{}] needs {} bytes, data_offsets give {}.", tensor, dtype_name(view.dtype),
                              fmt::join(view.shape, ", "), wanted, entry.end - entry.begin));
  return entry;
}

// The tensors must cover the data exactly: no gap, no overlap, nothing behind the last. An empty tensor may stand at
// any border (the reference writer puts it where the next tensor begins).
void check_cover(std::vector<Entry> entries, std::uint64_t data_size, const std::string& where) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t reached = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != reached)
      refuse(where, fmt::format("tensor \"{}\" begins at byte {} of the data, wanted {} ({}).", entry.name, entry.begin,
                                reached, entry.begin < reached ? "it overlaps another" : "there is a gap"));
    reached = entry.end;
  }
  if (reached != data_size) refuse(where, fmt::format("{} bytes of data belong to no tensor.", data_size - reached));
}

std::map<std::string, std::string> parse_metadata(const Json& value, const std::string& where) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object())
    refuse(where, fmt::format("\"{}\": wanted an object, found {}.", kMetadata, value.type_name()));
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      refuse(where, fmt::format("\"{}\", \"{}\": wanted a string, found {}.", kMetadata, key, text.type_name()));
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

Json parse_header(std::string_view header, const std::string& where) {
  if (header.empty() || header.front() != '{') refuse(where, "the header does not begin with \"{\".");
  if (header.find('\0') != std::string_view::npos)
    refuse(where, "the header holds a zero byte.");  // would end the JSON
  if (std::count(header.begin(), header.end(), ',') > kMaxHeaderItems)
    refuse(where, fmt::format("the header has more than {} items.", kMaxHeaderItems));
  return parse_json(header, where + " (header)", ErrorKind::model);
}

// Files of a shard index: name of a tensor -> plain file name.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const std::string where = index.string();
  const Json json = read_json(index, ErrorKind::model, kMaxHeaderBytes);
  const Json& weight_map = json_member(json, "weight_map", where, ErrorKind::model);
  if (!weight_map.is_object() || weight_map.empty()) refuse(where, "\"weight_map\" names no tensor.");
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : weight_map.items()) {
    const std::string text = file.is_string() ? file.get<std::string>() : "";
    const bool plain = !text.empty() && text != "." && text != ".." && text.find('\0') == std::string::npos &&
                       text.find_first_of("/\\") == std::string::npos;
    if (!plain)
      refuse(where, fmt::format("\"weight_map\", \"{}\": wanted a file name in the same folder, found {}.", name,
                                file.dump()));
    files[name] = text;
  }
  return files;
}

}  // namespace

std::int64_t TensorView::size() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) {
    if (extent == 0) return 0;
    product *= extent;
  }
  return product;
}

SafeTensors SafeTensors::parse(std::string bytes, const std::string& where) {
  const auto owner = std::make_shared<const std::string>(std::move(bytes));
  return parse(*owner, owner, where);
}

SafeTensors SafeTensors::parse(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& where) {
  SafeTensors result;
  result.where_ = where;
  if (bytes.size() < 8) refuse(where, fmt::format("{} bytes are too few for a safetensors file.", bytes.size()));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kMaxHeaderBytes)
    refuse(where, fmt::format("header length {} is above the limit of {} bytes.", header_size, kMaxHeaderBytes));
  if (header_size > bytes.size() - 8)
    refuse(where, fmt::format("header length {} is more than the {} bytes that follow (truncated?).", header_size,
                              bytes.size() - 8));
  result.files_.push_back(std::move(owner));
  const std::string_view data = bytes.substr(8 + header_size);
  const Json header = parse_header(bytes.substr(8, header_size), where);

  std::vector<Entry> entries;
  for (const auto& [name, item] : header.items()) {
    if (name == kMetadata) {
      result.metadata_ = parse_metadata(item, where);
      continue;
    }
    TensorView view;
    entries.push_back(parse_entry(name, item, data.size(), where, view));
    view.bytes = data.substr(entries.back().begin, entries.back().end - entries.back().begin);
    result.tensors_.emplace(name, std::move(view));
  }
  check_cover(std::move(entries), data.size(), where);
  return result;
}

SafeTensors SafeTensors::open(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (fs::exists(path / "model.safetensors", ignored)) return open(path / "model.safetensors");
    if (fs::exists(path / "model.safetensors.index.json", ignored)) return open(path / "model.safetensors.index.json");
    throw UserError(ErrorKind::model, path.string(),
                    "wanted model.safetensors or model.safetensors.index.json, found neither.",
                    "Give the folder of a model in safetensors format.");
  }
  if (path.extension() != ".json") {
    const auto file = std::make_shared<const MappedFile>(path, kMaxFileBytes, ErrorKind::model);
    return parse(file->bytes(), file, path.string());
  }

  const std::map<std::string, std::string> weight_map = read_weight_map(path);
  std::set<std::string> files;
  for (const auto& [name, file] : weight_map) files.insert(file);
  SafeTensors all;
  all.where_ = path.string();
  for (const std::string& file : files) {
    const SafeTensors shard = open(path.parent_path() / file);
    for (const auto& [name, view] : shard.tensors_) {
      const auto mapped = weight_map.find(name);
      if (mapped == weight_map.end() || mapped->second != file)
        refuse(shard.where_,
               fmt::format("tensor \"{}\" is not assigned to this file by {}.", name, path.filename().string()));
      all.tensors_.emplace(name, view);
    }
    all.files_.insert(all.files_.end(), shard.files_.begin(), shard.files_.end());
    all.metadata_.insert(shard.metadata_.begin(), shard.metadata_.end());
  }
  for (const auto& [name, file] : weight_map)
    if (!all.has(name)) refuse(all.where_, fmt::format("tensor \"{}\" is not in {}.", name, file));
  return all;
}

namespace {

// Whole pages; the next read of them gives zeros, or the file's bytes again. Where this fails nothing is lost but
// memory.
void give_back(std::string_view bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t begin = (address + page - 1) / page * page, end = (address + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool shape_matches(const std::vector<std::int64_t>& found, const std::vector<std::int64_t>& wanted) {
  return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(),
                    [](std::int64_t f, std::int64_t w) { return w == -1 || f == w; });
}

std::string shape_text(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

}  // namespace

bool SafeTensors::alone() const {
  return std::all_of(files_.begin(), files_.end(), [](const auto& file) { return file.use_count() == 1; });
}

void SafeTensors::release(const std::string& prefix) {
  const bool ours = alone();
  for (auto it = tensors_.lower_bound(prefix); it != tensors_.end() && it->first.starts_with(prefix);) {
    if (ours) give_back(it->second.bytes);
    it = tensors_.erase(it);
  }
}

void SafeTensors::move_out(const std::string& name, char* to) {
  constexpr std::size_t kPiece = std::size_t{4} << 20;
  const bool ours = alone();
  for (std::string_view rest = get(name).bytes; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kPiece);
    std::memcpy(to, piece.data(), piece.size());
    if (ours) give_back(piece);
    to += piece.size();
    rest.remove_prefix(piece.size());
  }
  tensors_.erase(name);
}

const TensorView& SafeTensors::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw UserError(ErrorKind::model, where_, fmt::format("tensor \"{}\" is missing.", name),
                    "Check that the weights belong to this model.");
  return found->second;
}

const TensorView& SafeTensors::get(const std::string& name, const std::vector<std::int64_t>& shape) const {
  const TensorView& found = get(name);
  if (!shape_matches(found.shape, shape))
    throw UserError(
        ErrorKind::model, where_,
        fmt::format("tensor \"{}\": wanted shape {}, found {}.", name, shape_text(shape), shape_text(found.shape)),
        "Check that the weights belong to this model.");
  return found;
}

void TensorExpectation::check(const SafeTensors& file) const {
  std::string faults;
  std::set<std::string> known;
  for (const auto& [name, shape] : wanted_) {
    known.insert(name);
    const auto found = file.tensors().find(name);
    if (found == file.tensors().end())
      faults += fmt::format("\n  missing: {} {}", name, shape_text(shape));
    else if (!shape_matches(found->second.shape, shape))
      faults +=
          fmt::format("\n  shape: {} wanted {}, found {}", name, shape_text(shape), shape_text(found->second.shape));
  }
  const auto skipped = [&](const std::string& name) {
    return std::any_of(skipped_.begin(), skipped_.end(), [&](const auto& prefix) { return name.starts_with(prefix); });
  };
  for (const auto& [name, view] : file.tensors())
    if (known.count(name) == 0 && !skipped(name))
      faults += fmt::format("\n  unknown: {} {}", name, shape_text(view.shape));
  if (!faults.empty())
    throw UserError(ErrorKind::model, file.where(), "the tensors are not those of the model:" + faults + "\n",
                    "Check that the weights belong to this model and its configuration.");
}

}  // namespace cp
