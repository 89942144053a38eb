#include "index/ordinal_set.h"

#include <roaring/roaring.h>

#include <new>

#include "index/roaring_view.h"

namespace runlog {
namespace {

// libroaring answers a failed allocation with a null pointer.
roaring_bitmap_t* made(roaring_bitmap_t* bitmap) {
  if (bitmap == nullptr) throw std::bad_alloc();
  return bitmap;
}

class OldestFirstOfSet final : public PostingReader {
 public:
  OldestFirstOfSet(const roaring_bitmap_t* bitmap, Ordinal end) : end_(end) {
    roaring_init_iterator(bitmap, &iterator_);
  }
  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = roaring_read_uint32_iterator(&iterator_, out.data(),
                                                      static_cast<std::uint32_t>(out.size()));
    while (filled > 0 && out[filled - 1] >= end_) --filled;
    return filled;
  }
  void skip_to(Ordinal bound) override {
    if (iterator_.has_value && iterator_.current_value < bound)
      roaring_move_uint32_iterator_equalorlarger(&iterator_, bound);
  }

 private:
  roaring_uint32_iterator_t iterator_;
  Ordinal end_;
};

class NewestFirstOfSet final : public PostingReader {
 public:
  NewestFirstOfSet(const roaring_bitmap_t* bitmap, Ordinal end) {
    roaring_init_iterator_last(bitmap, &iterator_);
    if (end == 0) {
      iterator_.has_value = false;
    } else {
      skip_to(end - 1);
    }
  }
  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size() && iterator_.has_value) {
      out[filled++] = iterator_.current_value;
      roaring_previous_uint32_iterator(&iterator_);
    }
    return filled;
  }
  void skip_to(Ordinal bound) override {
    if (!iterator_.has_value || iterator_.current_value <= bound) return;
    // The first ordinal >= bound exists, because the current one is.
    roaring_move_uint32_iterator_equalorlarger(&iterator_, bound);
    if (iterator_.current_value > bound) roaring_previous_uint32_iterator(&iterator_);
  }

 private:
  roaring_uint32_iterator_t iterator_;
};

}  // namespace

OrdinalSet::OrdinalSet() : bitmap_(made(roaring_bitmap_create())) {}
OrdinalSet::~OrdinalSet() {
  if (bitmap_ != nullptr) roaring_bitmap_free(bitmap_);
}
OrdinalSet::OrdinalSet(const OrdinalSet& other)
    : bitmap_(made(roaring_bitmap_copy(other.bitmap_))) {}
OrdinalSet& OrdinalSet::operator=(const OrdinalSet& other) {
  if (this != &other) *this = OrdinalSet(other);
  return *this;
}
OrdinalSet::OrdinalSet(OrdinalSet&& other) noexcept
    : bitmap_(std::exchange(other.bitmap_, nullptr)) {}
OrdinalSet& OrdinalSet::operator=(OrdinalSet&& other) noexcept {
  std::swap(bitmap_, other.bitmap_);
  return *this;
}

void OrdinalSet::add(Ordinal ordinal) { roaring_bitmap_add(bitmap_, ordinal); }
void OrdinalSet::add_many(std::span<const Ordinal> ordinals) {
  roaring_bitmap_add_many(bitmap_, ordinals.size(), ordinals.data());
}
void OrdinalSet::add_range(Ordinal from, Ordinal to) {
  if (from < to) roaring_bitmap_add_range_closed(bitmap_, from, to - 1);
}
void OrdinalSet::remove(Ordinal ordinal) { roaring_bitmap_remove(bitmap_, ordinal); }
void OrdinalSet::cut_off(Ordinal end) {
  roaring_bitmap_remove_range_closed(bitmap_, end, UINT32_MAX);
}

bool OrdinalSet::contains(Ordinal ordinal) const {
  return roaring_bitmap_contains(bitmap_, ordinal);
}
bool OrdinalSet::is_empty() const { return roaring_bitmap_is_empty(bitmap_); }
std::uint64_t OrdinalSet::count() const { return roaring_bitmap_get_cardinality(bitmap_); }
std::uint64_t OrdinalSet::count_range(Ordinal from, Ordinal to) const {
  return from < to ? roaring_bitmap_range_cardinality(bitmap_, from, to) : 0;
}

OrdinalSet& OrdinalSet::operator&=(const OrdinalSet& other) {
  if (this != &other) roaring_bitmap_and_inplace(bitmap_, other.bitmap_);
  return *this;
}
OrdinalSet& OrdinalSet::operator|=(const OrdinalSet& other) {
  if (this != &other) roaring_bitmap_or_inplace(bitmap_, other.bitmap_);
  return *this;
}
OrdinalSet& OrdinalSet::operator-=(const OrdinalSet& other) {
  if (this == &other) {
    roaring_bitmap_clear(bitmap_);
  } else {
    roaring_bitmap_andnot_inplace(bitmap_, other.bitmap_);
  }
  return *this;
}
std::uint64_t OrdinalSet::and_count(const OrdinalSet& other) const {
  return roaring_bitmap_and_cardinality(bitmap_, other.bitmap_);
}
bool operator==(const OrdinalSet& a, const OrdinalSet& b) {
  return roaring_bitmap_equals(a.bitmap_, b.bitmap_);
}

std::unique_ptr<PostingReader> OrdinalSet::read(Ordinal end, Direction direction) const {
  if (direction == Direction::kNewestFirst)
    return std::make_unique<NewestFirstOfSet>(bitmap_, end);
  return std::make_unique<OldestFirstOfSet>(bitmap_, end);
}

std::size_t OrdinalSet::memory_bytes() const {
  return sizeof(OrdinalSet) + sizeof(roaring_bitmap_t) + roaring_bitmap_size_in_bytes(bitmap_);
}

std::vector<std::byte> OrdinalSet::serialise() const {
  OrdinalSet plain(*this);
  roaring_bitmap_remove_run_compression(plain.bitmap_);
  std::vector<std::byte> bytes(roaring_bitmap_portable_size_in_bytes(plain.bitmap_));
  roaring_bitmap_portable_serialize(plain.bitmap_, reinterpret_cast<char*>(bytes.data()));
  return bytes;
}

Expected<OrdinalSet> OrdinalSet::deserialise(std::span<const std::byte> bytes, Ordinal end) {
  const auto view = RoaringView::open(bytes, end);
  if (!view) return tl::unexpected(view.error());
  if (view->bytes().size() != bytes.size())
    return fail(ErrorCode::Corruption, "bytes follow the end of a bitmap");
  if (auto checked = view->check(end); !checked) return tl::unexpected(checked.error());
  return OrdinalSet(made(roaring_bitmap_portable_deserialize_safe(
      reinterpret_cast<const char*>(bytes.data()), bytes.size())));
}

}  // namespace runlog
