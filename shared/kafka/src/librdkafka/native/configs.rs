//! DescribeConfigs.

use std::collections::BTreeMap;
use std::ffi::{CString, c_int};
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
    fn rd_kafka_ConfigEntry_source(entry: *const rd_kafka_ConfigEntry_t) -> c_int;
}

/// A config entry that was set on the topic itself. Brokers know more sources than librdkafka's enum does.
const OWN: c_int = rd_kafka_ConfigSource_t::RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG as c_int;

/// A config entry.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Set on the topic itself, rather than inherited from the broker.
    pub(crate) own: bool,
}

/// Of each resource its entries, or why the broker refuses them.
pub(crate) type Described = BTreeMap<String, Result<Vec<Entry>, Failure>>;

impl Handle {
    /// DescribeConfigs of topics, none of which is named twice: one request. Without entries whose values the broker hides. A topic of which the
    /// answer says nothing is absent.
    pub(crate) async fn describe_configs(self: &Arc<Self>, topics: &[String], timeout: Duration) -> Result<Described, Failure> {
        self.describe(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, topics, timeout).await
    }

    /// The same of one broker, by its id. That broker is asked.
    pub(crate) async fn describe_broker_configs(self: &Arc<Self>, broker: i32, timeout: Duration) -> Result<Vec<Entry>, Failure> {
        let name = broker.to_string();
        let mut described = self.describe(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, std::slice::from_ref(&name), timeout).await?;
        described.remove(&name).unwrap_or(Ok(Vec::new()))
    }

    async fn describe(self: &Arc<Self>, kind: rd_kafka_ResourceType_t, names: &[String], timeout: Duration) -> Result<Described, Failure> {
        let pending = {
            let names = names.iter().map(|name| c_string(name)).collect::<Result<Vec<CString>, _>>()?;
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout);
            // SAFETY: C strings, copied into the resources, which the request copies; each is destroyed once.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                let mut resources: Vec<_> = names.iter().map(|name| rd_kafka_ConfigResource_new(kind, name.as_ptr())).collect();
                rd_kafka_DescribeConfigs(rk, resources.as_mut_ptr(), resources.len(), options, queue);
                rd_kafka_ConfigResource_destroy_array(resources.as_mut_ptr(), resources.len());
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied. librdkafka leaves null where the answer left a resource out.
        unsafe {
            let result = rd_kafka_event_DescribeConfigs_result(event.as_ptr());
            let resources = array(rd_kafka_DescribeConfigs_result_resources(result, &raw mut count), count);
            let resources = resources.iter().filter(|resource| !resource.is_null());
            Ok(resources.map(|resource| (text(rd_kafka_ConfigResource_name(*resource)), entries(*resource))).collect())
        }
    }
}

/// # Safety
/// `resource` points to a resource of an answer.
unsafe fn entries(resource: *const rd_kafka_ConfigResource_t) -> Result<Vec<Entry>, Failure> {
    let mut count = 0;
    // SAFETY: the caller's promise; what is read belongs to the resource and is copied.
    unsafe {
        let code = Code(rd_kafka_ConfigResource_error(resource));
        if code != Code::NO_ERROR {
            return Err(Failure::new(code, text(rd_kafka_ConfigResource_error_string(resource))));
        }
        let visible = array(rd_kafka_ConfigResource_configs(resource, &raw mut count), count)
            .iter()
            .filter(|entry| rd_kafka_ConfigEntry_is_sensitive(**entry) == 0 && !rd_kafka_ConfigEntry_value(**entry).is_null());
        let entries = visible.map(|entry| Entry {
            name: text(rd_kafka_ConfigEntry_name(*entry)),
            value: text(rd_kafka_ConfigEntry_value(*entry)),
            own: rd_kafka_ConfigEntry_source(*entry) == OWN,
        });
        Ok(entries.collect())
    }
}
