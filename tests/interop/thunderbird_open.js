// Put a mail into a local folder, open it as a person would, and tell what is shown once the S/MIME verdicts are in.
const [path, patience, answer] = arguments;
(async () => {
  const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
  const window = Services.wm.getMostRecentWindow("mail:3pane");
  const pause = (milliseconds) => new Promise((done) => window.setTimeout(done, milliseconds));
  const until = async (holds, seconds) => {
    for (let tries = 0; tries < seconds * 40 && !holds(); tries++) {
      await pause(25);
    }
    return holds();
  };
  if (!MailServices.accounts.accounts.length) {
    MailServices.accounts.createLocalMailAccount();
  }
  const root = MailServices.accounts.localFoldersServer.rootFolder.QueryInterface(Ci.nsIMsgLocalMailFolder);
  const folder = (root.containsChildNamed("tried") ? root.getChildNamed("tried") : root.createLocalSubfolder("tried")).QueryInterface(Ci.nsIMsgLocalMailFolder);
  const octets = await IOUtils.read(path);
  let mail = "";
  for (let start = 0; start < octets.length; start += 32768) {
    mail += String.fromCharCode.apply(null, octets.subarray(start, start + 32768));
  }
  const header = folder.addMessage(mail);
  const address = folder.getUriForMsg(header);
  const tabs = window.document.getElementById("tabmail");
  const tab = tabs.openTab("mailMessageTab", { messageURI: address, background: false });
  const inTab = () => tab.chromeBrowser?.contentWindow;
  const loaded = await until(() => inTab()?.location.href === "about:message" && inTab().gMessageURI === address && inTab().msgLoaded, 60);
  const shown = inTab();
  const icon = (id) => (shown.document.getElementById(id).getAttribute("src") || "").split("/").pop();
  // Each verdict comes at its own time; one that never comes is a finding.
  await until(() => icon("signedHdrIcon") && icon("encryptedHdrIcon"), patience);
  // Each text part stands in one of these, apart from the header fields and attachments that are printed with it.
  const page = shown.getMessagePaneBrowser().contentDocument;
  const texts = [...(page?.querySelectorAll(".moz-text-plain, .moz-text-flowed, .moz-text-html") ?? [])];
  const images = [...(page?.querySelectorAll("img") ?? [])];
  await until(() => images.every((image) => image.complete), 20);
  const found = {
    loaded,
    signature: shown.gSignatureStatus,
    encryption: shown.gEncryptionStatus,
    signedIcon: icon("signedHdrIcon"),
    encryptedIcon: icon("encryptedHdrIcon"),
    subject: shown.document.getElementById("expandedsubjectBox").textContent.trim(),
    text: texts.map((part) => part.textContent).join("\n"),
    images: images.map((image) => image.naturalWidth),
    attachments: (shown.currentAttachments ?? []).map((each) => each.name),
  };
  tabs.closeTab(tab);
  answer(found);
})().catch((error) => answer({ error: String(error) + (error.stack ?? "") }));
