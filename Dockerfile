# exeunt as one static binary in an empty image: no shell, no package, no root.
#
#   docker build -t exeunt .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v exeunt-data:/data -v exeunt-keys:/keys -v "$PWD/exeunt.yaml:/etc/exeunt/exeunt.yaml:ro" \
#     -p 127.0.0.1:8080:8080 exeunt
#
# The configuration must say  listen: 0.0.0.0:8080,  data: /data  and
# keys: {file: /keys/exeunt.keys}
# (docs/operations.md).

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# SQLite is C, so cgo stays on; linking statically leaves out what glibc would
# load at run time: extensions of SQLite, and its own look-up of names and users.
# SQLite refuses that SQL writes into its schema by hand.
RUN CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -DSQLITE_DEFAULT_DEFENSIVE -DSQLITE_TRUSTED_SCHEMA=0" go build -trimpath \
      -tags netgo,osusergo,sqlite_omit_load_extension \
      -ldflags '-s -w -linkmode external -extldflags -static' \
      -o /out/exeunt . \
 && /out/exeunt --help >/dev/null \
 && mkdir -p -m 0700 /out/owned/data /out/owned/keys

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/exeunt /exeunt
# A new volume takes over owner and mode of the folder it covers.
COPY --from=build --chown=65532:65532 /out/owned/ /
USER 65532:65532
WORKDIR /data
# For temporary files, SQLite's and the demo's: there is no /tmp, and the root may
# be read-only.
ENV TMPDIR=/data SQLITE_TMPDIR=/data
VOLUME ["/data", "/keys"]
EXPOSE 8080
# SIGTERM: no new work, finish what is under way, then stop.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/exeunt", "health", "--url", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/exeunt"]
CMD ["serve", "--config", "/etc/exeunt/exeunt.yaml"]
