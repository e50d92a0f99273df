//! DescribeConfigs and IncrementalAlterConfigs.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::admin::{Options, Pending, array, c_string};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::text;

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_ConfigResource_error(resource: *const rd_kafka_ConfigResource_t) -> c_int;
    fn rd_kafka_ConfigResource_add_incremental_config(
        resource: *mut rd_kafka_ConfigResource_t,
        name: *const c_char,
        operation: c_int,
        value: *const c_char,
    ) -> *mut rd_kafka_error_t;
    fn rd_kafka_ConfigEntry_source(entry: *const rd_kafka_ConfigEntry_t) -> c_int;
}

/// A config entry that was set on the topic itself. Brokers have more sources than librdkafka's
/// enum.
const OWN: c_int = rd_kafka_ConfigSource_t::RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG as c_int;

/// The operation on a config.
const SET: c_int = rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET as c_int;
const DELETE: c_int = rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_DELETE as c_int;

/// A config entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Set on the topic itself, rather than inherited from the broker.
    pub(crate) own: bool,
    /// The broker configs for a topic config that is set on the topic: names and values, in order
    /// of precedence. Their names differ from the topic's. librdkafka always requests them.
    pub(crate) elsewhere: Vec<(String, String)>,
}

/// The entries of each resource, or why the broker refuses them.
pub(crate) type Described = BTreeMap<String, Result<Vec<Entry>, Failure>>;

impl Handle {
    /// DescribeConfigs of topics (no duplicates): one request. Without entries whose values the
    /// broker hides. A topic that the response omits is absent.
    pub(crate) async fn describe_configs(self: &Arc<Self>, topics: &[String], timeout: Duration) -> Result<Described, Failure> {
        self.describe(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, topics, timeout).await
    }

    /// DescribeConfigs of one broker, by its id. The request goes to that broker.
    pub(crate) async fn describe_broker_configs(self: &Arc<Self>, broker: i32, timeout: Duration) -> Result<Vec<Entry>, Failure> {
        let name = broker.to_string();
        let mut described = self.describe(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, std::slice::from_ref(&name), timeout).await?;
        described.remove(&name).unwrap_or(Ok(Vec::new()))
    }

    /// IncrementalAlterConfigs of a topic: sets configs, and deletes those without a value; all or
    /// none.
    pub(crate) async fn alter_topic_configs(
        self: &Arc<Self>,
        topic: &str,
        changes: &BTreeMap<String, Option<String>>,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let pending = {
            let topic = c_string(topic)?;
            let change = |(name, value): (&String, &Option<String>)| Ok((c_string(name)?, value.as_deref().map(c_string).transpose()?));
            let changes = changes.iter().map(change).collect::<Result<Vec<(CString, Option<CString>)>, Failure>>()?;
            // SAFETY: a C string, copied into the resource, which is ours.
            let mut resource =
                Resource(unsafe { rd_kafka_ConfigResource_new(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, topic.as_ptr()) });
            for (name, value) in &changes {
                let (operation, value) = value.as_ref().map_or((DELETE, ptr::null()), |value| (SET, value.as_ptr()));
                // SAFETY: a valid resource, which copies the strings; the error, if any, is ours.
                unsafe { Failure::check(rd_kafka_ConfigResource_add_incremental_config(resource.0, name.as_ptr(), operation, value))? };
            }
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS, timeout);
            // SAFETY: an array of one valid resource, which the request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                rd_kafka_IncrementalAlterConfigs(rk, &raw mut resource.0, 1, options, queue);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied. librdkafka
        // leaves null where the answer left a resource out.
        unsafe {
            let result = rd_kafka_event_IncrementalAlterConfigs_result(event.as_ptr());
            match array(rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count), count) {
                [resource] if !resource.is_null() => check(*resource),
                _ => Err(Failure::new(Code::FAIL, "the cluster's response omits the topic")),
            }
        }
    }

    async fn describe(self: &Arc<Self>, kind: rd_kafka_ResourceType_t, names: &[String], timeout: Duration) -> Result<Described, Failure> {
        let pending = {
            let names = names.iter().map(|name| c_string(name)).collect::<Result<Vec<CString>, _>>()?;
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout);
            // SAFETY: C strings, copied into the resources, which the request copies; each is
            // destroyed once.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                let mut resources: Vec<_> = names.iter().map(|name| rd_kafka_ConfigResource_new(kind, name.as_ptr())).collect();
                rd_kafka_DescribeConfigs(rk, resources.as_mut_ptr(), resources.len(), options, queue);
                rd_kafka_ConfigResource_destroy_array(resources.as_mut_ptr(), resources.len());
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied. librdkafka
        // leaves null where the answer left a resource out.
        unsafe {
            let result = rd_kafka_event_DescribeConfigs_result(event.as_ptr());
            let resources = array(rd_kafka_DescribeConfigs_result_resources(result, &raw mut count), count);
            let resources = resources.iter().filter(|resource| !resource.is_null());
            Ok(resources.map(|resource| (text(rd_kafka_ConfigResource_name(*resource)), entries(*resource))).collect())
        }
    }
}

/// A resource to change.
struct Resource(*mut rd_kafka_ConfigResource_t);

impl Drop for Resource {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once; requests copy it.
        unsafe { rd_kafka_ConfigResource_destroy(self.0) }
    }
}

/// # Safety
/// `resource` points to a resource of an answer.
unsafe fn check(resource: *const rd_kafka_ConfigResource_t) -> Result<(), Failure> {
    // SAFETY: the caller's promise; the text belongs to the resource and is copied.
    unsafe {
        let code = Code(rd_kafka_ConfigResource_error(resource));
        if code == Code::NO_ERROR { Ok(()) } else { Err(Failure::new(code, text(rd_kafka_ConfigResource_error_string(resource)))) }
    }
}

/// # Safety
/// `resource` points to a resource of an answer.
unsafe fn entries(resource: *const rd_kafka_ConfigResource_t) -> Result<Vec<Entry>, Failure> {
    let mut count = 0;
    // SAFETY: the caller's promise; what is read belongs to the resource and is copied.
    unsafe {
        check(resource)?;
        let visible = array(rd_kafka_ConfigResource_configs(resource, &raw mut count), count).iter().filter(|entry| is_visible(**entry));
        let entries = visible.map(|entry| {
            let own = rd_kafka_ConfigEntry_source(*entry) == OWN;
            let elsewhere = if own { elsewhere(*entry) } else { Vec::new() };
            Entry { name: text(rd_kafka_ConfigEntry_name(*entry)), value: text(rd_kafka_ConfigEntry_value(*entry)), own, elsewhere }
        });
        Ok(entries.collect())
    }
}

/// # Safety
/// `entry` points to an entry of an answer.
unsafe fn is_visible(entry: *const rd_kafka_ConfigEntry_t) -> bool {
    // SAFETY: the caller's promise.
    unsafe { rd_kafka_ConfigEntry_is_sensitive(entry) == 0 && !rd_kafka_ConfigEntry_value(entry).is_null() }
}

/// # Safety
/// `entry` points to an entry of an answer.
unsafe fn elsewhere(entry: *const rd_kafka_ConfigEntry_t) -> Vec<(String, String)> {
    let mut count = 0;
    // SAFETY: the caller's promise; what is read belongs to the entry and is copied.
    unsafe {
        let synonyms = array(rd_kafka_ConfigEntry_synonyms(entry, &raw mut count), count).iter();
        let others = synonyms.filter(|synonym| is_visible(**synonym) && rd_kafka_ConfigEntry_source(**synonym) != OWN);
        others.map(|synonym| (text(rd_kafka_ConfigEntry_name(*synonym)), text(rd_kafka_ConfigEntry_value(*synonym)))).collect()
    }
}
