//! The project that is built: all kinds of images and stages, quick ones.

const WERF: &str = r"
project: killed
configVersion: 1
---
image: tools
from: busybox:1.36
shell:
  beforeInstall:
    - mkdir -p /out/bin
    - head -c 3000000 /dev/zero > /out/zeros
  install:
    - echo tool > /out/bin/tool; chmod 711 /out/bin/tool
git:
  - add: /tools
    to: /tools
---
image: app
from: busybox:1.36
git:
  - add: /app
    to: /app
    stageDependencies:
      install: [deps]
shell:
  beforeInstall:
    - echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd
  install:
    - cp /app/deps /installed; ln /installed /hard; chown 1000:1000 /installed
  setup:
    - cat /opt/bin/tool /app/deps > /seen
import:
  - image: tools
    add: /out
    to: /opt
    before: setup
---
image: web
dockerfile: Dockerfile
context: web
";

const DOCKERFILE: &str = "FROM busybox:1.36 AS make\nCOPY in/ /in/\nRUN cat /in/* > /page\n\nFROM busybox:1.36\n\
                          COPY --from=make /page /page\nENV WEB=1\n";

/// Paths and contents.
pub(crate) fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("werf.yaml", WERF),
        ("tools/readme", "tools\n"),
        ("app/deps", "one\n"),
        ("app/main", "main\n"),
        ("web/Dockerfile", DOCKERFILE),
        ("web/in/a", "a\n"),
    ]
}
