#include "bench/peer_rocksdb.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <stdexcept>

#include "bench/compact_run.h"

namespace runlog::bench {
namespace {

// The first byte of a key says which access path it belongs to.
constexpr char kRun = 'r';
constexpr char kById = 'i';
constexpr char kByFlow = 'f';
constexpr char kByFlowStatus = 'g';
constexpr char kByStatus = 's';
constexpr char kByRecord = 't';

constexpr std::uint32_t kDictionaryBytes = 16 << 10;

void require(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB failed: " + status.ToString());
}

// A name that may be followed by others; its end cannot be mistaken.
void add_name(std::string& key, std::string_view name) {
  key.append(name);
  key.push_back('\0');
}

// The place of a run: its sequence number, in bytes that sort newest first.
void add_place(std::string& key, std::uint64_t sequence) {
  const std::uint64_t inverted = ~sequence;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(char(inverted >> shift));
}

std::string id_key(std::string_view run_id) {
  std::string key(1, kById);
  pack_run_id(run_id, key);
  return key;
}

std::string run_key(std::string_view place) {
  std::string key(1, kRun);
  key.append(place);
  return key;
}

std::string flow_prefix(std::string_view flow) {
  std::string key(1, kByFlow);
  add_name(key, flow);
  return key;
}

std::string flow_status_prefix(std::string_view flow, RunStatus status) {
  std::string key(1, kByFlowStatus);
  add_name(key, flow);
  key.push_back(char('0' + int(status)));
  return key;
}

std::string status_prefix(RunStatus status) {
  return {kByStatus, char('0' + int(status))};
}

// Adds the run under its sequence number, and that under its id and in every index.
void put(rocksdb::WriteBatch& batch, const Run& run, std::uint64_t sequence, std::string& value) {
  std::string place;
  add_place(place, sequence);
  value.clear();
  encode_compact(run, value);
  require(batch.Put(run_key(place), value));
  require(batch.Put(id_key(run.run_id), place));
  const auto put_index = [&](std::string key) {
    key.append(place);
    require(batch.Put(key, rocksdb::Slice()));
  };
  put_index(flow_prefix(run.flow_name));
  put_index(flow_status_prefix(run.flow_name, run.status));
  put_index(status_prefix(run.status));
  if (!run.trigger_object || !run.trigger_record_id) return;
  std::string key(1, kByRecord);
  add_name(key, *run.trigger_object);
  add_name(key, *run.trigger_record_id);
  put_index(std::move(key));
}

rocksdb::Options make_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  options.compression = rocksdb::kZSTD;
  options.bottommost_compression = rocksdb::kZSTD;
  options.bottommost_compression_opts.enabled = true;
  options.bottommost_compression_opts.max_dict_bytes = kDictionaryBytes;
  options.bottommost_compression_opts.zstd_max_train_bytes = 100 * kDictionaryBytes;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 6;
  options.bytes_per_sync = 1 << 20;
  options.compaction_pri = rocksdb::kMinOverlappingRatio;
  // A log file that is written again has its blocks and its size already, so a sync writes no
  // metadata. Recovery to a point in time, the default, would switch this off.
  options.recycle_log_file_num = 4;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // Every id that is looked up is there: filters on the last level would only take room and time.
  options.optimize_filters_for_hits = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_size = 16 << 10;
  // Index and filters belong to the open file, and a get does not look them up in the cache.
  table.cache_index_and_filter_blocks = false;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10, false));
  table.block_cache = rocksdb::NewLRUCache(std::size_t(4) << 30);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

RocksdbStore::RocksdbStore(const std::filesystem::path& directory) {
  rocksdb::DB* database = nullptr;
  require(rocksdb::DB::Open(make_options(), (directory / "rocksdb").string(), &database));
  database_.reset(database);
}

RocksdbStore::~RocksdbStore() = default;

void RocksdbStore::write(std::span<const Run> runs, bool durable) {
  rocksdb::WriteBatch batch;
  std::string value;
  std::uint64_t sequence = next_sequence_.fetch_add(runs.size());
  for (const Run& run : runs) put(batch, run, sequence++, value);
  rocksdb::WriteOptions options;
  options.sync = durable;
  require(database_->Write(options, &batch));
}

void RocksdbStore::append(std::span<const Run> runs) { write(runs, true); }
void RocksdbStore::load(std::span<const Run> runs) { write(runs, false); }

void RocksdbStore::settle() {
  require(database_->Flush({}));
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  require(database_->CompactRange(options, nullptr, nullptr));
}

// The keys of `prefix` and the place of one of the oldest `runs` runs, which sort last.
void RocksdbStore::delete_range(const std::string& prefix, std::uint64_t runs) {
  std::string from = prefix, to = prefix;
  add_place(from, runs - 1);
  add_place(to, 0);
  to.push_back('\0');
  require(database_->DeleteRange({}, database_->DefaultColumnFamily(), from, to));
}

void RocksdbStore::expire(std::uint64_t runs, std::span<const std::string> flows) {
  delete_range(std::string(1, kRun), runs);
  for (std::size_t i = 0; i < kRunStatusCount; ++i) {
    delete_range(status_prefix(RunStatus(i)), runs);
    for (const std::string& flow : flows) delete_range(flow_status_prefix(flow, RunStatus(i)), runs);
  }
  for (const std::string& flow : flows) delete_range(flow_prefix(flow), runs);
  std::string oldest;
  add_place(oldest, runs - 1);
  constexpr int kBatch = 10'000;
  for (const char kind : {kById, kByRecord}) {
    rocksdb::WriteBatch batch;
    const std::unique_ptr<rocksdb::Iterator> entry(database_->NewIterator({}));
    for (entry->Seek(std::string(1, kind)); entry->Valid() && entry->key()[0] == kind;
         entry->Next()) {
      const std::string_view key = entry->key().ToStringView();
      const std::string_view place =
          kind == kById ? entry->value().ToStringView() : key.substr(key.size() - oldest.size());
      if (place >= oldest) require(batch.Delete(entry->key()));
      if (batch.Count() < kBatch) continue;
      require(database_->Write({}, &batch));
      batch.Clear();
    }
    require(entry->status());
    require(database_->Write({}, &batch));
  }
  settle();
}

void RocksdbStore::wait_idle() {
  const auto is_busy = [this] {
    for (const char* property :
         {"rocksdb.num-running-flushes", "rocksdb.num-running-compactions",
          "rocksdb.mem-table-flush-pending", "rocksdb.compaction-pending"}) {
      std::uint64_t value = 0;
      if (database_->GetIntProperty(property, &value) && value > 0) return true;
    }
    return false;
  };
  while (is_busy()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void RocksdbStore::find(std::string_view run_id, rocksdb::PinnableSlice& value) {
  rocksdb::PinnableSlice place;
  auto* const family = database_->DefaultColumnFamily();
  require(database_->Get({}, family, id_key(run_id), &place));
  require(database_->Get({}, family, run_key(place.ToStringView()), &value));
}

std::size_t RocksdbStore::get_stored(std::string_view run_id) {
  rocksdb::PinnableSlice value;
  find(run_id, value);
  value_.assign(value.data(), value.size());
  return value_.size();
}

const Run& RocksdbStore::get(std::string_view run_id) {
  rocksdb::PinnableSlice value;
  find(run_id, value);
  text_.clear();
  decode_compact(value.ToStringView(), text_, run_);
  return run_;
}

std::span<const RunHead> RocksdbStore::list(const PageRequest& request) {
  const std::string prefix = request.status
                                 ? flow_status_prefix(request.flow, *request.status)
                                 : flow_prefix(request.flow);
  // The index gives the sequence numbers; one MultiGet fetches the runs.
  std::vector<std::string> keys;
  keys.reserve(request.limit);
  const std::unique_ptr<rocksdb::Iterator> entry(database_->NewIterator({}));
  std::string last;
  for (entry->Seek(prefix + request.cursor);
       entry->Valid() && entry->key().starts_with(prefix) && keys.size() < request.limit;
       entry->Next()) {
    const std::string_view place = entry->key().ToStringView().substr(prefix.size());
    if (place == request.cursor) continue;
    keys.push_back(run_key(place));
    if (keys.size() == request.limit) last = place;
  }
  require(entry->status());
  next_cursor_ = std::move(last);

  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  database_->MultiGet({}, database_->DefaultColumnFamily(), keys.size(), slices.data(),
                      values.data(), statuses.data(), true);
  text_.clear();
  if (heads_.size() < keys.size()) heads_.resize(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    require(statuses[i]);
    decode_compact_head(values[i].ToStringView(), text_, heads_[i]);
  }
  return std::span(heads_).first(keys.size());
}

std::uint64_t RocksdbStore::count_prefix(const std::string& prefix) {
  const std::unique_ptr<rocksdb::Iterator> entry(database_->NewIterator({}));
  std::uint64_t count = 0;
  for (entry->Seek(prefix); entry->Valid() && entry->key().starts_with(prefix); entry->Next())
    ++count;
  require(entry->status());
  return count;
}

std::uint64_t RocksdbStore::count_flow(std::string_view flow) {
  return count_prefix(flow_prefix(flow));
}
std::uint64_t RocksdbStore::count_status(RunStatus status) {
  return count_prefix(status_prefix(status));
}

}  // namespace runlog::bench
