//! DescribeCluster: brokers, and the permissions of this user on the cluster.

use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::admin::{Options, Pending, array};
use super::code::Failure;
use super::handle::Handle;
use super::rights::rights;
use super::text;
use crate::{Broker, ClusterDescription};

impl Handle {
    /// DescribeCluster: one Metadata request. `with_rights` also requests this user's permissions,
    /// in versions 8 to 10 of that request.
    pub(crate) async fn describe_cluster(self: &Arc<Self>, with_rights: bool, timeout: Duration) -> Result<ClusterDescription, Failure> {
        let pending = {
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, timeout);
            let options = if with_rights { options.with_rights()? } else { options };
            // SAFETY: a valid instance, options and queue.
            Pending::send(self, &options, |rk, options, queue| unsafe { rd_kafka_DescribeCluster(rk, options, queue) })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DescribeCluster_result(event.as_ptr());
            let nodes = array(rd_kafka_DescribeCluster_result_nodes(result, &raw mut count), count);
            let brokers = nodes.iter().map(|node| broker(*node)).collect();
            let id = Some(text(rd_kafka_DescribeCluster_result_cluster_id(result))).filter(|id| !id.is_empty());
            let operations = rd_kafka_DescribeCluster_result_authorized_operations(result, &raw mut count);
            Ok(ClusterDescription { id, brokers, rights: rights(operations, count) })
        }
    }
}

/// # Safety
/// `node` points to a node.
unsafe fn broker(node: *const rd_kafka_Node_t) -> Broker {
    // SAFETY: the caller's promise; host and rack are C strings, or null where there is none.
    unsafe {
        let rack = Some(text(rd_kafka_Node_rack(node))).filter(|rack| !rack.is_empty());
        Broker { id: rd_kafka_Node_id(node), host: text(rd_kafka_Node_host(node)), port: rd_kafka_Node_port(node), rack }
    }
}
