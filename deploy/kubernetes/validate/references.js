// Checks what Kubernetes objects, YAML on standard input, say of each other: that their namespace is
// made and takes the pods, that names and selectors find something, and that the balancer knows the
// fronts and is let through to them, and nobody else is. For objects that validate.js accepts. Prints
// what is wrong, and exits 1 then.
import { readFileSync } from "node:fs";
import yaml from "js-yaml";

const objects = yaml.loadAll(readFileSync(0, "utf8")).filter((object) => object);
let failures = 0;
function expect(condition, message) {
  if (condition) return;
  console.log(message);
  failures++;
}

const all = (kind) => objects.filter((object) => object.kind === kind);
const find = (kind, name) => all(kind).find((object) => object.metadata.name === name);
const matches = (selector, labels) =>
  Object.entries(selector).every(([key, value]) => labels?.[key] === value);

const workloads = [...all("StatefulSet"), ...all("Deployment")];
const labelsOf = (workload) => workload.spec.template.metadata.labels;
const containerOf = (workload) => workload.spec.template.spec.containers[0];
const hasPort = (ports, name) => ports.some((port) => port.name === name);

// ---- namespaces ----

// The profile "restricted" of the Pod Security Standards, for what pods of ours have.
function isRestricted({ containers: [container, ...others], ...pod }) {
  const { capabilities, ...context } = { ...pod.securityContext, ...container.securityContext };
  const kinds = ["name", "configMap", "emptyDir", "secret"];
  return (
    others.length === 0 && !pod.initContainers &&
    !pod.hostNetwork && !pod.hostPID && !pod.hostIPC &&
    pod.volumes.flatMap(Object.keys).every((key) => kinds.includes(key)) &&
    container.ports.every((port) => !port.hostPort) &&
    context.runAsNonRoot === true && context.runAsUser !== 0 &&
    context.allowPrivilegeEscalation === false && !context.privileged &&
    context.seccompProfile?.type === "RuntimeDefault" &&
    capabilities?.drop?.includes("ALL") && !capabilities.add
  );
}
for (const { kind, metadata } of objects.filter((object) => object.kind !== "Namespace")) {
  expect(find("Namespace", metadata.namespace), `${kind} ${metadata.name}: no such Namespace`);
}
for (const { metadata, spec } of workloads) {
  const labels = find("Namespace", metadata.namespace)?.metadata.labels;
  const profile = labels?.["pod-security.kubernetes.io/enforce"];
  expect(profile === "restricted", `${metadata.name}: its namespace takes any pods`);
  expect(isRestricted(spec.template.spec), `${metadata.name}: its pods are not "restricted"`);
}

// ---- names and selectors ----

// The one kind of pods that an object selects.
function selected({ kind, metadata }, selector) {
  const found = workloads.filter((workload) => matches(selector, labelsOf(workload)));
  expect(found.length === 1, `${kind} ${metadata.name} selects ${found.length} kinds of pods`);
  return found[0] ?? workloads[0];
}
for (const service of all("Service")) {
  const { ports } = containerOf(selected(service, service.spec.selector));
  for (const { targetPort } of service.spec.ports) {
    expect(hasPort(ports, targetPort), `Service ${service.metadata.name}: no port ${targetPort}`);
  }
}
for (const { metadata, spec } of all("ServiceMonitor")) {
  const services = all("Service").filter((service) =>
    matches(spec.selector.matchLabels, service.metadata.labels)
  );
  const ports = services[0]?.spec.ports ?? [];
  expect(
    services.length === 1 && spec.endpoints.every(({ port }) => hasPort(ports, port)),
    `ServiceMonitor ${metadata.name} selects no port, or several services`
  );
}
for (const budget of all("PodDisruptionBudget")) selected(budget, budget.spec.selector.matchLabels);
for (const { spec } of all("HorizontalPodAutoscaler")) {
  const { kind, name } = spec.scaleTargetRef;
  expect(find(kind, name), `There is no ${kind} ${name} to be scaled`);
}
for (const { spec } of workloads) {
  for (const { configMap } of spec.template.spec.volumes) {
    expect(!configMap || find("ConfigMap", configMap.name), `No ConfigMap ${configMap?.name}`);
  }
}

// ---- the balancer and the fronts ----

const [fronts] = all("StatefulSet");
const [balancer] = all("Deployment");
const { serviceName } = fronts.spec;
expect(find("Service", serviceName)?.spec.clusterIP === "None", `${serviceName} is not headless`);
const domain = `.${serviceName}.${fronts.metadata.namespace}.svc.cluster.local`;
const { value } = containerOf(balancer).env.find(({ name }) => name === "FRONTS_DOMAIN");
expect(value === domain, `The fronts' names end with ${domain}, not ${value}`);

// As many servers as there may be fronts.
const count = all("HorizontalPodAutoscaler")[0].spec.maxReplicas;
const names = Array.from({ length: count }, (_, i) => `${fronts.metadata.name}-${i}`).join(" ");
const [configuration] = Object.values(all("ConfigMap")[0].data);
for (const backend of configuration.split(/^backend /m).slice(1)) {
  const servers = [...backend.matchAll(/^ +server (\S+)/gm)].map(([, name]) => name).join(" ");
  expect(servers === names, `The servers are ${servers}, and the fronts ${names}`);
}

// Whether one of the rules is for this port, and pods with these labels in the policy's namespace.
function allow(rules, peers, labels, port) {
  const isMeant = ({ namespaceSelector, podSelector }) =>
    !namespaceSelector && matches(podSelector.matchLabels, labels);
  return rules.some(
    (rule) => rule.ports.some((allowed) => allowed.port === port) && rule[peers]?.some(isMeant)
  );
}
const client = { "holdfast-client": "true" };
for (const policy of all("NetworkPolicy")) {
  const workload = selected(policy, policy.spec.podSelector.matchLabels);
  const { ingress, egress } = policy.spec;
  const name = workload.metadata.name;
  for (const port of ingress.flatMap((rule) => rule.ports.map((allowed) => allowed.port))) {
    expect(hasPort(containerOf(workload).ports, port), `${name} has no port ${port}`);
  }
  for (const port of containerOf(workload).ports) {
    const takes = (labels) => allow(ingress, "from", labels, port.name);
    expect(!takes({}), `${name} lets anybody through to ${port.name}`);
    const isForClients = port.name.startsWith("grpc");
    expect(takes(client) === isForClients, `${name}: ${port.name} is wrong for clients`);
    if (workload !== fronts) continue;
    expect(takes(labelsOf(balancer)), `${name} lets no balancer through to ${port.name}`);
  }
  for (const port of workload === balancer ? containerOf(fronts).ports : []) {
    const goes = allow(egress, "to", labelsOf(fronts), port.containerPort);
    expect(goes, `${name} is not let out to ${port.name}`);
  }
}
process.exitCode = failures > 0 ? 1 : 0;
