/**
 * A CD image that boots (ISO 9660 with El Torito, no emulation): the least that a PC's firmware
 * takes. Whoever boots from it shows a screen in the colour that was asked for, so a picture tells
 * that its bytes arrived.
 */
import { bootSector, IDLE_COLOUR } from "../../worker/dev/demo/boot-sector.ts";

/** A CD whose boot sector paints the screen in `colour` (0xRRGGBB). */
export function bootCd(colour: number): Buffer {
  const image = Buffer.alloc(IMAGE_SECTORS * SECTOR_BYTES);
  writeVolumeDescriptor(image, 16, 1);
  image.writeUInt32LE(IMAGE_SECTORS, 16 * SECTOR_BYTES + 80);
  writeVolumeDescriptor(image, 17, 0);
  image.write("EL TORITO SPECIFICATION", 17 * SECTOR_BYTES + 7, "latin1");
  image.writeUInt32LE(CATALOG_SECTOR, 17 * SECTOR_BYTES + 0x47);
  writeVolumeDescriptor(image, 18, 255);
  writeBootCatalog(image.subarray(CATALOG_SECTOR * SECTOR_BYTES));
  image.set(repainted(colour), BOOT_SECTOR * SECTOR_BYTES);
  return image;
}

function writeVolumeDescriptor(image: Buffer, sector: number, type: number): void {
  const offset = sector * SECTOR_BYTES;
  image.writeUInt8(type, offset);
  image.write("CD001\x01", offset + 1, "latin1");
}

function writeBootCatalog(catalog: Buffer): void {
  // The validation entry: its 16-bit words add up to zero.
  catalog.writeUInt8(1, 0);
  catalog.writeUInt16LE(0xaa55, 0x1e);
  catalog.writeUInt16LE(-(0xaa55 + 1) & 0xffff, 0x1c);
  // The default entry: bootable, no emulation, one sector of 512 bytes to the usual place.
  catalog.writeUInt8(0x88, 0x20);
  catalog.writeUInt16LE(1, 0x26);
  catalog.writeUInt32LE(BOOT_SECTOR, 0x28);
}

function repainted(colour: number): Buffer {
  const sector = Buffer.from(bootSector());
  const old = Buffer.alloc(4);
  old.writeUInt32LE(IDLE_COLOUR);
  const place = sector.indexOf(old);
  if (place === -1 || sector.indexOf(old, place + 1) !== -1) {
    throw new Error("the boot sector does not name its colour exactly once");
  }
  sector.writeUInt32LE(colour, place);
  return sector;
}

const SECTOR_BYTES = 2_048;
const CATALOG_SECTOR = 19;
const BOOT_SECTOR = 20;
/** A CD of less than a second is no CD to some. */
const IMAGE_SECTORS = 512;
