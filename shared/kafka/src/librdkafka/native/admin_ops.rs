//! Requests about topics and groups: which exist.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Offset;
use rdkafka_sys::*;

use super::admin::{Options, Pending, array, c_string, list};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::message::{self, Message};
use super::text;
use crate::{CommittedOffset, TopicPartition};

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_topic_result_error(result: *const rd_kafka_topic_result_t) -> c_int;
    fn rd_kafka_committed(rk: *mut rd_kafka_t, partitions: *mut rd_kafka_topic_partition_list_t, timeout_ms: c_int) -> c_int;
}

/// A topic as DescribeTopics has it.
#[derive(Debug)]
pub(crate) struct Described {
    /// The halves of the topic id; both 0 if the broker has none.
    pub(crate) id: (i64, i64),
    /// Number of partitions.
    pub(crate) partitions: usize,
    /// The most replicas of a partition.
    pub(crate) replicas: usize,
}

/// A topic to be created.
#[derive(Debug)]
pub(crate) struct NativeNewTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    /// -1 is the broker's default.
    pub(crate) replication_factor: i32,
    pub(crate) configs: &'a BTreeMap<String, String>,
}

/// The result of a ListOffsets by time if no record is that late. (librdkafka has -1001 if no
/// broker responded.)
pub(crate) const NO_SUCH_RECORD: i64 = -1;

/// The result for one partition of an OffsetFetch; `None` if nothing is committed.
pub(crate) type Committed = Result<Option<CommittedOffset>, Code>;

impl Handle {
    /// Id of the cluster, once a response contained it. Sends nothing and does not wait.
    pub(crate) fn cluster_id(&self) -> Option<String> {
        // SAFETY: a valid instance; the string, if there is one, is ours, and freed once.
        unsafe {
            let id = rd_kafka_clusterid(self.as_ptr(), 0);
            (!id.is_null()).then(|| {
                let copy = text(id);
                rd_kafka_mem_free(self.as_ptr(), id.cast());
                copy
            })
        }
    }

    /// DescribeTopics: one Metadata request, which creates nothing. `topics` has no duplicates.
    pub(crate) async fn describe_topics(
        self: &Arc<Self>,
        topics: &[String],
        timeout: Duration,
    ) -> Result<BTreeMap<String, Result<Described, Failure>>, Failure> {
        let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
        let event = self.ask_about_topics(topics, options)?.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DescribeTopics_result(event.as_ptr());
            let topics = array(rd_kafka_DescribeTopics_result_topics(result, &raw mut count), count);
            Ok(topics.iter().map(|topic| (text(rd_kafka_TopicDescription_name(*topic)), described(*topic))).collect())
        }
    }

    /// Sends a DescribeTopics with these options.
    pub(super) fn ask_about_topics(self: &Arc<Self>, topics: &[String], options: Options) -> Result<Pending, Failure> {
        let names = topics.iter().map(|name| c_string(name)).collect::<Result<Vec<CString>, _>>()?;
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: an array of C strings with its length; the collection copies them, the request
        // copies the collection.
        Ok(Pending::send(self, &options, |rk, options, queue| unsafe {
            let collection = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            rd_kafka_DescribeTopics(rk, collection, options, queue);
            rd_kafka_TopicCollection_destroy(collection);
        }))
    }

    /// ListOffsets at `offset` (earliest or latest, or [`Offset::Offset`] with a timestamp): one
    /// request per broker that leads one of the partitions. A broker that does not respond uses up
    /// the whole `timeout`; its partitions fail with [`Code::TRANSPORT`]. [`NO_SUCH_RECORD`]: none
    /// is that late.
    pub(crate) async fn list_offsets(
        self: &Arc<Self>,
        partitions: &[TopicPartition],
        offset: Offset,
        read_committed: bool,
        timeout: Duration,
    ) -> Result<BTreeMap<TopicPartition, Result<i64, Code>>, Failure> {
        let is_by_time = matches!(offset, Offset::Offset(_));
        let pending = {
            let list = list(partitions, offset)?;
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout).read_committed(read_committed)?;
            // SAFETY: a valid list, which the request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe { rd_kafka_ListOffsets(rk, list.ptr(), options, queue) })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_ListOffsets_result(event.as_ptr());
            let infos = array(rd_kafka_ListOffsets_result_infos(result, &raw mut count), count);
            let answer = |info: &*const rd_kafka_ListOffsetsResultInfo_t| {
                let element = rd_kafka_ListOffsetsResultInfo_topic_partition(*info);
                // librdkafka drops the reason why a broker's own request failed, and leaves 'no
                // error' with an invalid offset.
                let offset = code(element).check().map_err(|failure| failure.code).and_then(|()| match (*element).offset {
                    NO_SUCH_RECORD if is_by_time => Ok(NO_SUCH_RECORD),
                    offset if offset < 0 => Err(Code::TRANSPORT),
                    offset => Ok(offset),
                });
                (name(element), offset)
            };
            Ok(infos.iter().map(answer).collect())
        }
    }

    /// CreateTopics for one topic.
    pub(crate) async fn create_topic(self: &Arc<Self>, topic: &NativeNewTopic<'_>, timeout: Duration) -> Result<(), Failure> {
        let pending = {
            let name = c_string(topic.name)?;
            let pairs = topic.configs.iter().map(|(name, value)| Ok((c_string(name)?, c_string(value)?)));
            let configs = pairs.collect::<Result<Vec<(CString, CString)>, Failure>>()?;
            let mut error = [0 as c_char; 512];
            // SAFETY: a C string, and a buffer with its size.
            let mut native = unsafe {
                rd_kafka_NewTopic_new(name.as_ptr(), topic.partitions, topic.replication_factor, error.as_mut_ptr(), error.len())
            };
            if native.is_null() {
                // SAFETY: the buffer was zeroed, and librdkafka ends what it writes in NUL.
                return Err(Failure::new(Code::INVALID_ARG, unsafe { text(error.as_ptr()) }));
            }
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
            // SAFETY: a valid topic, which copies the strings, and which the request copies;
            // destroyed once.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                for (name, value) in &configs {
                    rd_kafka_NewTopic_set_config(native, name.as_ptr(), value.as_ptr());
                }
                rd_kafka_CreateTopics(rk, &raw mut native, 1, options, queue);
                rd_kafka_NewTopic_destroy(native);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_CreateTopics_result(event.as_ptr());
            for topic in array(rd_kafka_CreateTopics_result_topics(result, &raw mut count), count) {
                let code = Code(rd_kafka_topic_result_error(*topic));
                if code != Code::NO_ERROR {
                    return Err(Failure::new(code, text(rd_kafka_topic_result_error_string(*topic))));
                }
            }
        }
        Ok(())
    }

    /// OffsetFetch: the commits of this client's group. Blocks. Waits for the coordinator, and for
    /// transactions that are about to change an offset.
    ///
    /// Not [`group_offsets`](Handle::group_offsets), the request for any group, which does not wait
    /// for transactions.
    ///
    /// # Errors
    /// A timeout can hide a failed search for the coordinator; [`Handle::group_failure`] returns
    /// that.
    pub(crate) fn committed(&self, partitions: &[TopicPartition], wait: Duration) -> Result<BTreeMap<TopicPartition, Committed>, Failure> {
        let list = list(partitions, Offset::Invalid)?;
        let millis = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: a valid instance, and a valid list, which the call fills in. Its elements live
        // until the end of this function.
        unsafe {
            Code(rd_kafka_committed(self.as_ptr(), list.ptr(), millis)).check()?;
            Ok(elements(list.ptr()).map(|element| (name(element), committed(element))).collect())
        }
    }

    /// What went wrong in the search for the coordinator of this client's group since the last
    /// call, if anything.
    pub(crate) fn group_failure(&self) -> Option<Failure> {
        // SAFETY: a valid instance; the message, if there is one, is ours.
        let next = || NonNull::new(unsafe { rd_kafka_consumer_poll(self.as_ptr(), 0) }).map(Message);
        std::iter::from_fn(next).find_map(|message| match message.entry() {
            message::Entry::Failed(failure) => Some(failure),
            _ => None,
        })
    }
}

/// # Safety
/// `topic` points to a description.
unsafe fn described(topic: *const rd_kafka_TopicDescription_t) -> Result<Described, Failure> {
    // SAFETY: the caller's promise.
    unsafe {
        let error = rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            return Err(Failure::read(error));
        }
        let mut partitions = 0;
        let infos = rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let replicas = array(infos, partitions).iter().map(|info| {
            let mut count = 0;
            rd_kafka_TopicPartitionInfo_replicas(*info, &raw mut count);
            count
        });
        let replicas = replicas.max().unwrap_or(0);
        let id = rd_kafka_TopicDescription_topic_id(topic);
        let halves =
            if id.is_null() { (0, 0) } else { (rd_kafka_Uuid_most_significant_bits(id), rd_kafka_Uuid_least_significant_bits(id)) };
        Ok(Described { id: halves, partitions, replicas })
    }
}

/// # Safety
/// `element` points to an element of an answered list.
unsafe fn committed(element: *const rd_kafka_topic_partition_t) -> Committed {
    // SAFETY: the caller's promise; the metadata of an element are null or have the size next to
    // them.
    unsafe {
        code(element).check().map_err(|failure| failure.code)?;
        let metadata = array((*element).metadata.cast::<u8>(), (*element).metadata_size);
        let metadata = String::from_utf8_lossy(metadata).into_owned();
        Ok(((*element).offset >= 0).then_some(CommittedOffset { next: (*element).offset, metadata }))
    }
}

/// Pointers to the elements of a list, never references: the code in an element can be one that
/// librdkafka's enum does not have.
///
/// # Safety
/// `list` is null or points to a list that lives, unchanged, as long as the pointers are used.
pub(super) unsafe fn elements(list: *const rd_kafka_topic_partition_list_t) -> impl Iterator<Item = *const rd_kafka_topic_partition_t> {
    // SAFETY: the caller's promise; a list has `cnt` elements one after another.
    let (first, count) = unsafe { list.as_ref().map_or((std::ptr::null(), 0), |list| (list.elems.cast_const(), list.cnt)) };
    (0..usize::try_from(count).unwrap_or(0)).map(move |index| first.wrapping_add(index))
}

/// # Safety
/// `element` points to an element of a list.
pub(super) unsafe fn name(element: *const rd_kafka_topic_partition_t) -> TopicPartition {
    // SAFETY: the caller's promise; the topic of an element is a C string.
    unsafe { TopicPartition::new(text((*element).topic), (*element).partition) }
}

/// The code of an element, read as the integer that C has: see `code.rs`.
///
/// # Safety
/// `element` points to an element of a list.
pub(super) unsafe fn code(element: *const rd_kafka_topic_partition_t) -> Code {
    // SAFETY: the caller's promise; the field is a C enum, an int.
    Code(unsafe { (&raw const (*element).err).cast::<c_int>().read() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_librdkafka_does_not_know_is_read_as_a_number() {
        let partitions = [TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)];
        let list = list(&partitions, Offset::Offset(7)).unwrap();
        // SAFETY: a valid list of two elements; the code is written, and later read, as the integer
        // that C has.
        let found: Vec<_> = unsafe {
            (&raw mut (*(*list.ptr()).elems).err).cast::<c_int>().write(4711);
            let found = elements(list.ptr()).map(|element| (name(element), committed(element))).collect();
            (&raw mut (*(*list.ptr()).elems).err).cast::<c_int>().write(0);
            found
        };
        let [unknown, known] = &found[..] else { panic!("{found:?}") };
        assert_eq!((unknown.0.partition, unknown.1.as_ref().unwrap_err()), (0, &Code(4711)));
        assert_eq!(unknown.1.as_ref().unwrap_err().describe(), "Err-4711?");
        assert_eq!((known.0.partition, known.1.as_ref().unwrap().as_ref().unwrap().next), (1, 7));
    }
}
